"""``pgvec search`` on tables of the database."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from fix_database import sqlalchemy_url
from fix_level import examples
from support.injection import PAYLOADS

pytest.importorskip("typer", reason="the extra cli is not installed")

from support.command_line import run_pgvec, search_on


@pytest.fixture
def items(connection: psycopg.Connection, database_url: str) -> str:
    """The URL of a database with the table ``item``: three dimensions, an HNSW index, texts that look like markup."""
    connection.execute(
        """
        CREATE TABLE item (
            id int PRIMARY KEY, title text, price numeric, tags text[], data jsonb, embedding vector(3));
        INSERT INTO item VALUES
            (1, 'apple [red]x[/red]', 1.5, '{a,b}', '{"k": 1}', '[1,0,0]'), (2, 'pear', 2, '{}', NULL, '[0.9,0.1,0]'),
            (3, E'plum\\x1b[2J', NULL, NULL, NULL, '[0,1,0]'), (4, 'lost', 4, NULL, NULL, NULL);
        CREATE INDEX ON item USING hnsw (embedding vector_cosine_ops);
        ANALYZE item;
        """
    )
    return database_url


def invoke(url: str, *arguments: str) -> Any:
    return run_pgvec("search", *arguments, "--url", url)


def found(result: Any) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [match["record"] for match in json.loads(result.stdout)["matches"]]


def test_json_holds_matches_and_receipt(items: str):
    """Rank, distance, similarity and all columns but the vector, nearest first, with the receipt."""
    answer = json.loads(invoke(items, "--table", "item", "--vector", "[1, 0, 0]", "--limit", "2", "--json").stdout)
    first, second = answer["matches"]
    assert first == {
        "rank": 1,
        "distance": 0.0,
        "similarity": 1.0,
        "record": {"id": 1, "title": "apple [red]x[/red]", "price": "1.5", "tags": ["a", "b"], "data": {"k": 1}},
    }
    assert second["record"]["id"] == 2
    assert answer["receipt"]["returned"] == 2
    assert answer["receipt"]["statements"] == 2  # the first of a process reads the statistics, too


def test_table_shows_data_as_they_are(items: str):
    """Neither markup nor control characters in the data reach the terminal."""
    result = invoke(items, "--table", "item", "--vector", "[1, 0, 0]")
    assert result.exit_code == 0
    assert "apple [red]x[/red]" in result.stdout
    assert "plum\\x1b[2J" in result.stdout
    assert "\x1b" not in result.stdout
    assert "receipt: 3 of at most 10" in result.stdout


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--where", '{"price": {"$lt": 2}}'], [1]),
        (["--where", '{"data.k": 1}'], [1]),
        (["--where", '{"tags": {"$contains": "b"}}'], [1]),
        (["--where", '{"id": {"$in": [2, 3]}}'], [2, 3]),
        (["--max-distance", "0.5"], [1, 2]),
        (["--limit", "1"], [1]),
        (["--exact", "--ef-search", "100"], [1, 2, 3]),
        (["--distance", "l1"], [1, 2, 3]),
        (["--column", "embedding", "--schema", "public"], [1, 2, 3]),
    ],
)
def test_options_reach_the_search(items: str, options: list[str], ids: list[int]):
    """Filters, limits and the way to search come from the command line."""
    result = invoke(items, "--table", "item", "--vector", "[1, 0, 0]", "--json", *options)
    assert [row["id"] for row in found(result)] == ids


def test_columns_are_chosen_by_name(items: str):
    """Only the columns that are named come, the vector among them if asked for."""
    result = invoke(
        items, "--table", "item", "--vector", "[0, 1, 0]", "--limit", "1", "--columns", "id, embedding", "--json"
    )
    assert found(result) == [{"id": 3, "embedding": [0.0, 1.0, 0.0]}]


def test_the_extension_may_live_anywhere(empty_database_url: str):
    """Vectors are recognised where neither the extension nor the table is on the search path."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(
            """
            CREATE SCHEMA "Ext and more"; CREATE EXTENSION vector SCHEMA "Ext and more"; CREATE SCHEMA app;
            CREATE TABLE app.item (id int PRIMARY KEY, v "Ext and more".halfvec(2));
            INSERT INTO app.item VALUES (1, '[1,0]'), (2, '[0,1]');
            CREATE INDEX ON app.item USING hnsw (v "Ext and more".halfvec_l2_ops);
            """
        )
    result = invoke(empty_database_url, "--table", "item", "--schema", "app", "--vector", "[0, 1]", "--json")
    assert found(result) == [{"id": 2}, {"id": 1}]


@pytest.mark.full
def test_text_is_embedded_by_the_default_model(connection: psycopg.Connection, database_url: str):
    """A text finds the row that means the same, on a column of 384 dimensions."""
    pytest.importorskip("sentence_transformers", reason="the extra local is not installed")
    from pgvec.embedders import default_embedder

    connection.execute("CREATE TABLE note (id int PRIMARY KEY, title text, v vector(384))")
    titles = ["a cat sleeps on the sofa", "the central bank raises interest rates"]
    for number, (title, vector) in enumerate(zip(titles, default_embedder().embed(titles), strict=True)):
        connection.execute("INSERT INTO note VALUES (%s, %s, %s)", (number, title, str(vector.tolist())))
    result = invoke(
        database_url, "monetary policy", "--table", "note", "--distance", "cosine", "--limit", "1", "--json"
    )
    assert found(result) == [{"id": 1, "title": titles[1]}]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--table", "itme", "--vector", "[1]"], 1, "did you mean 'item'?"),
        (["--table", "public.item", "--vector", "[1]"], 1, "give its schema apart"),
        (["--table", "item", "--schema", "nowhere", "--vector", "[1]"], 1, "nowhere"),
        (["--table", "item", "--vector", "[1, 2]"], 2, "2 dimensions"),
        (["--table", "item", "--vector", "[0, 0, 0]"], 2, "zero"),
        (["--table", "item", "--vector", '["x"]'], 2, "vector"),
        (["--table", "item", "--vector", "[1, 0, 0]", "--where", '{"nope": 1}'], 2, "nope"),
        (["--table", "item", "--vector", "[1, 0, 0]", "--where", '{"price": {"$lt": "x"}}'], 2, "price"),
        (["--table", "item", "--vector", "[1, 0, 0]", "--columns", "id,nope"], 2, "nope"),
        (["--table", "item", "--vector", "[1, 0, 0]", "--column", "title"], 2, "title"),
        (["--table", "item", "--vector", "[1, 0, 0]", "--limit", "0"], 2, "limit"),
        (["--table", "item", "--vector", "[1, 0, 0]", "--distance", "hamming"], 2, "hamming"),
        (["a text", "--table", "item"], 2, "384"),
    ],
)
def test_mistakes_are_named(items: str, arguments: list[str], code: int, message: str):
    """The message names what is wrong, and the exit code tells the command line from the database."""
    result = invoke(items, *arguments)
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_explain_takes_the_same_options(items: str):
    """The explanation of a search is text for people, JSON for programs."""
    arguments = [
        "--table",
        "item",
        "--vector",
        "[1, 0, 0]",
        "--where",
        '{"price": {"$lt": 2}}',
        "--limit",
        "2",
        "--analyze",
    ]
    told = run_pgvec("explain", *arguments, "--url", items)
    assert told.exit_code == 0, told.output
    assert "search:        item.embedding by cosine distance, 2 wanted" in told.stdout
    assert "execution time:" in told.stdout
    answer = json.loads(run_pgvec("explain", *arguments, "--json", "--url", items).stdout)
    assert (answer["requested"], answer["analyzed"], answer["rows"]) == (2, True, 4)
    assert answer["plan"]["Plan"]["Actual Rows"] == 1
    assert "price" in answer["sql"]
    wrong = run_pgvec("explain", "--table", "item", "--url", items)
    assert (wrong.exit_code, "give either a text or --vector" in wrong.stderr) == (2, True)


@pytest.mark.parametrize("form", [str, sqlalchemy_url])
def test_the_url_may_come_from_the_environment(items: str, form: Any):
    """Both forms of a URL are taken, from the environment too, by the program as it is installed."""
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "from pgvec.cli.main import main; main()",
            "search",
            "--table",
            "item",
            "--vector",
            "[1,0,0]",
        ],
        env={"PGVEC_URL": form(items), "PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "pear" in result.stdout


@pytest.mark.parametrize(
    "option", ["--table", "--schema", "--column", "--columns", "--distance", "--where", "--vector"]
)
def test_payloads_stay_data(
    items: str, engine: sa.Engine, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, option: str
):
    """Whatever an option holds, nothing but what was asked for happens, and nothing but pgvec's own errors comes out."""
    search_on(engine, monkeypatch)
    arguments = {"--table": "item", "--vector": "[1,0,0]"}
    before = connection.execute("SELECT array_agg(item ORDER BY id) FROM item").fetchone()
    for payload in PAYLOADS[:: examples(dev=20, full=1)]:
        values = (
            [payload] if option != "--where" else [payload, json.dumps({payload: 1}), json.dumps({"title": payload})]
        )
        for value in values:
            options = [f"{name}={given}" for name, given in (arguments | {option: value}).items()]
            result = invoke(items, *options, "--json")
            assert result.exit_code in (0, 1, 2), (value, result.output)
            assert "--debug shows where" not in result.stderr, (value, result.stderr)
            if result.exit_code == 0:
                assert all(set(row) <= {"id", "title", "price", "tags", "data"} for row in found(result))
    assert connection.execute("SELECT array_agg(item ORDER BY id) FROM item").fetchone() == before


@pytest.fixture
def worded(migrated_url: str) -> str:
    """The URL of a database with the table ``item``, which has a keyword index."""
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        connection.execute(
            """
            CREATE TABLE item (id int PRIMARY KEY, title text, embedding vector(3));
            CREATE INDEX ON item USING hnsw (embedding vector_cosine_ops);
            SELECT pgvec.create_keyword_index('item', '{title}');
            INSERT INTO item VALUES (1, 'red apples', '[1,0,0]'), (2, 'a pear', '[0.9,0.1,0]'), (3, 'apple', NULL);
            """
        )
    return migrated_url


def test_words_and_both(worded: str):
    """--keyword finds by words, --hybrid by words and vectors; scores stand beside the records."""
    by_words = json.loads(invoke(worded, "apples", "--table", "item", "--keyword", "--json").stdout)["matches"]
    assert [match["record"]["id"] for match in by_words] == [3, 1]
    assert by_words[0]["distance"] is None
    assert by_words[0]["score"] > by_words[1]["score"]
    both = invoke(worded, "pear", "--table", "item", "--hybrid", "--vector", "[1, 0, 0]", "--json")
    assert {row["id"] for row in found(both)} == {1, 2}
    shown = invoke(worded, "apples", "--table", "item", "--keyword")
    assert "score" in shown.stdout
    assert "red apples" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keyword"], "give a text"),
        (["--hybrid", "--vector", "[1, 0, 0]"], "give a text"),
        (["x", "--keyword", "--hybrid"], "not both"),
        (["x", "--keyword", "--vector", "[1, 0, 0]"], "compares no vectors"),
        (["x", "--keyword", "--exact"], "compares no vectors"),
        (["x", "--hybrid", "--max-distance", "1"], "--max-distance"),
    ],
)
def test_options_of_another_search_are_refused(worded: str, arguments: list[str], message: str):
    """An option that would have no effect is refused."""
    result = invoke(worded, *arguments, "--table", "item")
    assert result.exit_code != 0
    assert message in " ".join((result.stdout + result.stderr).split())


def test_facets_and_order_come_from_the_command_line(items: str):
    """Counts of values and bars of all rows that match stand beside the matches, which come in the order of a column."""
    arguments = ["--table", "item", "--vector", "[1, 0, 0]", "--limit", "2"]
    asked = ["--facet", "title", "--facet", "price:1", "--facet", "tags", "--order-by=-price", "--candidates", "3"]
    answer = json.loads(invoke(items, *arguments, *asked, "--json").stdout)
    assert [match["record"]["id"] for match in answer["matches"]] == [2, 1]
    assert answer["total"] == 3
    assert answer["facets"]["price"] == {
        "values": [{"value": "1", "rows": 1}, {"value": "2", "rows": 1}, {"value": None, "rows": 1}],
        "other": 0,
    }
    assert {value["value"]: value["rows"] for value in answer["facets"]["tags"]["values"]} == {"a": 1, "b": 1, None: 2}
    shown = invoke(items, *arguments, *asked)
    assert shown.exit_code == 0
    assert "of all 3 rows that match:" in shown.stdout
    assert "plum\\x1b[2J" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_groups_come_from_the_command_line(items: str):
    """The nearest groups with their nearest rows, as a table and as JSON."""
    arguments = ["--table", "item", "--vector", "[1, 0, 0]", "--group-by", "tags", "--per-group", "1"]
    answer = json.loads(invoke(items, *arguments, "--json").stdout)
    assert [(group["key"], group["matches"][0]["record"]["id"]) for group in answer["groups"]] == [
        ({"tags": ["a", "b"]}, 1),
        ({"tags": []}, 2),
        ({"tags": None}, 3),
    ]
    assert answer["receipt"]["complete"]
    assert "receipt: 3 of at most 10 groups" in invoke(items, *arguments).stdout


@pytest.mark.parametrize(
    "options",
    [
        ["--facet", "nonsense"],
        ["--facet", "price:x"],
        ["--facet", "title:1"],
        ["--order-by", "nonsense"],
        ["--group-by", "nonsense"],
        ["--group-by", "title", "--facet", "title"],
        ["--group-by", "title", "--order-by", "title"],
        ["--per-group", "2"],
        ["--candidates", "50"],
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(items: str, options: list[str]):
    """Options that make no sense are told, and the command fails as for any fault of the command line."""
    result = invoke(items, "--table", "item", "--vector", "[1, 0, 0]", *options)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
