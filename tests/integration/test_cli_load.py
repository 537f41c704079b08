"""``pgvec load`` from files of every kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

pytest.importorskip("typer", reason="the extra cli is not installed")

from support.command_line import run_pgvec

from pgvec.cli.embedded_rows import EmbeddedRows
from pgvec.errors import InvalidOptionError, InvalidRowError
from pgvec.model import InputKind, InputRole
from pgvec.operations.row_sources import read_csv, read_jsonl

CSV = 'id,title,embedding\n1,one,"[1, 0, 0]"\n2,two,"[0, 1, 0]"\n'


@pytest.fixture
def table(connection: psycopg.Connection) -> psycopg.Connection:
    """A connection to a database with an empty table without any vector index."""
    connection.execute("CREATE TABLE item (id int PRIMARY KEY, title text UNIQUE, embedding vector(3))")
    return connection


@pytest.fixture
def csv_file(tmp_path: Path) -> str:
    path = tmp_path / "items.csv"
    path.write_text(CSV)
    return str(path)


def invoke(url: str, *arguments: str, **options: Any) -> Any:
    return run_pgvec("load", *arguments, "--table", "item", "--url", url, **options)


def rows(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT id, title, embedding::text FROM item ORDER BY id").fetchall()


EXPECTED = [(1, "one", "[1,0,0]"), (2, "two", "[0,1,0]")]


class LengthEmbedder:
    """Embeds a text as its length, and remembers what it was given."""

    name, revision, dimensions, kinds = "length", "1", 3, frozenset({InputKind.TEXT})

    def __init__(self) -> None:
        self.texts: list[object] = []

    def embed(self, inputs: Any, *, role: InputRole = InputRole.DOCUMENT) -> Any:
        assert role is InputRole.DOCUMENT
        self.texts += inputs
        return np.array([[len(text), 1, 0] for text in inputs], dtype=np.float32)


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.csv", CSV, []),
        ("a.tsv", CSV.replace(", ", "@").replace(",", "\t").replace("@", ", ").replace('"', ""), []),
        ("a.txt", CSV, ["--format", "csv"]),
        (
            "a.csv",
            CSV.replace("id,title", "id;title")
            .replace(',"', ';"')
            .replace("1,one", "1;one")
            .replace("2,two", "2;two")
            .replace("title,e", "title;e"),
            ["--delimiter", ";"],
        ),
        (
            "a.jsonl",
            '{"id": 1, "title": "one", "embedding": [1, 0, 0]}\n{"id": 2, "title": "two", "embedding": [0, 1, 0]}\n',
            [],
        ),
        (
            "a.csv",
            'id,junk,title,embedding\n1,x,one,"[1,0,0]"\n2,y,two,"[0,1,0]"\n',
            ["--columns", "id,title,embedding"],
        ),
    ],
)
def test_files_of_every_kind(
    table: psycopg.Connection, database_url: str, tmp_path: Path, *, name: str, content: str, options: list[str]
):
    """CSV with any delimiter and JSON Lines are loaded into a table that has no vector index yet."""
    (tmp_path / name).write_text(content)
    result = invoke(database_url, str(tmp_path / name), *options)
    assert result.exit_code == 0, result.output
    assert "2 rows" in result.stdout
    assert rows(table) == EXPECTED


def test_standard_input(table: psycopg.Connection, database_url: str):
    """``-`` reads standard input, and --json reports what happened."""
    result = invoke(database_url, "-", "--format", "csv", "--json", input=CSV)
    report = json.loads(result.stdout)
    assert (report["rows"], report["inserted"], report["method"]) == (2, 2, "copy")
    assert rows(table) == EXPECTED


@pytest.mark.parametrize(
    ("options", "title", "counts"),
    [
        (["--on-conflict", "skip"], "old", {"inserted": 1, "updated": 0, "skipped": 1}),
        (["--on-conflict", "update"], "one", {"inserted": 1, "updated": 1, "skipped": 0}),
        (["--on-conflict", "update", "--key", "id"], "one", {"inserted": 1, "updated": 1, "skipped": 0}),
    ],
)
def test_conflicts(
    table: psycopg.Connection,
    database_url: str,
    csv_file: str,
    *,
    options: list[str],
    title: str,
    counts: dict[str, int],
):
    """Rows whose key exists are left out or take the place of what is there."""
    table.execute("INSERT INTO item VALUES (1, 'old', NULL)")
    result = invoke(database_url, csv_file, "--json", *options)
    assert result.exit_code == 0, result.output
    assert {name: json.loads(result.stdout)[name] for name in counts} == counts
    assert rows(table)[0][1] == title


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CSV + '3,three,"[1, 2]"\n', "Row 3"),
        (CSV + '3,three,"[NaN, 0, 0]"\n', "Row 3"),
        (CSV + '1,again,"[1, 0, 0]"\n', "1"),
        (CSV + "3,three\n", "Row 3"),
        (CSV.replace("title", "name"), "name"),
    ],
)
def test_a_bad_row_leaves_nothing_behind(
    table: psycopg.Connection, database_url: str, tmp_path: Path, content: str, message: str
):
    """The message names the row, the exit code is 1, and the table is as it was."""
    path = tmp_path / "bad.csv"
    path.write_text(content)
    result = invoke(database_url, str(path))
    assert result.exit_code == 1, result.output
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert rows(table) == []


def test_tables_without_vectors_are_refused(table: psycopg.Connection, database_url: str, csv_file: str):
    """Loading is for tables with a vector column; the message says what is missing."""
    table.execute("ALTER TABLE item DROP COLUMN embedding")
    result = invoke(database_url, csv_file)
    assert result.exit_code == 2
    assert "no vector column" in result.stderr


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_rows_are_embedded_on_their_way(table: psycopg.Connection, tmp_path: Path, database_url: str, form: str):
    """The texts of the fields make up what is embedded; values of every form of file keep their types."""
    from pgvec.cli.database import open_database
    from pgvec.cli.tables import loading_repository
    from pgvec.execution.reflection import reflect_table

    path = tmp_path / "rows"
    path.write_text(
        "id,title\n1,one\n2,three\n" if form == "csv" else '{"id": 1, "title": "one"}\n{"id": 2, "title": "three"}\n'
    )
    embedder = LengthEmbedder()
    given = EmbeddedRows((read_csv if form == "csv" else read_jsonl)(path), embedder, ["title"], "embedding")
    with open_database(database_url) as engine:
        repository = loading_repository(engine, reflect_table(engine, "item"), column=None, distance=None)
        repository.bulk_load(given)
    assert embedder.texts == ["one", "three"]
    assert given.embedded == 2
    assert rows(table) == [(1, "one", "[3,1,0]"), (2, "three", "[5,1,0]")]


def test_fields_are_joined_and_empty_ones_left_out(tmp_path: Path):
    """Each field is a line of the text; a row without any text, and a field that is not there, are refused by name."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "one", "b": null}\n{"a": "two", "b": 3}\n')
    embedder = LengthEmbedder()
    list(EmbeddedRows(read_jsonl(path), embedder, ["a", "b"], "v"))
    assert embedder.texts == ["one", "two\n3"]
    with pytest.raises(InvalidOptionError, match="'c'"):
        list(EmbeddedRows(read_jsonl(path), embedder, ["c"], "v"))
    with pytest.raises(InvalidRowError, match="Row 1") as caught:
        list(EmbeddedRows(read_jsonl(path), embedder, ["b"], "v"))
    assert caught.value.position == 1


def test_the_default_model_fills_the_column(connection: psycopg.Connection, database_url: str, tmp_path: Path):
    """``--embed`` embeds with MiniLM, says how many texts were cut, and the rows can be searched."""
    pytest.importorskip("sentence_transformers", reason="the extra local is not installed")
    connection.execute("CREATE TABLE item (id int PRIMARY KEY, title text, body text, embedding vector(384))")
    path = tmp_path / "notes.jsonl"
    texts = [("cats", "they sleep on sofas"), ("banks", "they raise interest rates"), ("long", "word " * 400)]
    path.write_text("\n".join(json.dumps({"id": n, "title": t, "body": b}) for n, (t, b) in enumerate(texts)))
    result = invoke(database_url, str(path), "--embed", "title,body")
    assert result.exit_code == 0, result.output
    assert "1 of 3 texts" in result.stderr
    search = [
        "search",
        "monetary policy",
        "--table",
        "item",
        "--distance",
        "cosine",
        "--limit",
        "1",
        "--json",
        "--url",
        database_url,
    ]
    answer = json.loads(run_pgvec(*search).stdout)
    assert answer["matches"][0]["record"]["title"] == "banks"


def test_a_column_of_another_model_is_refused(table: psycopg.Connection, database_url: str, csv_file: str):
    """MiniLM's vectors do not fit into three dimensions: nothing is embedded, and the message says why."""
    result = invoke(database_url, csv_file, "--embed", "title")
    assert result.exit_code == 2
    assert "vector(3)" in result.stderr
