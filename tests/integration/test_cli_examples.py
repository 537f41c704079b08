"""``pgvec recommend``, ``discover``, ``similar`` and ``pgvec search --diversity``."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from fix_level import examples
from support.injection import PAYLOADS

pytest.importorskip("typer", reason="the extra cli is not installed")

from support.command_line import run_pgvec


@pytest.fixture
def items(connection: psycopg.Connection, database_url: str) -> str:
    """The URL of a database with tables whose keys are a number, a text, a UUID and of two parts."""
    connection.execute(
        """
        CREATE TABLE item (id int PRIMARY KEY, title text, embedding vector(3));
        INSERT INTO item VALUES (1, 'a', '[1,0,0]'), (2, 'b', '[0.9,0.1,0]'), (3, 'c', '[0,1,0]'), (4, 'd', '[0,0.9,0.2]'),
            (5, 'none', NULL);
        CREATE INDEX ON item USING hnsw (embedding vector_cosine_ops);
        CREATE TABLE named (name text PRIMARY KEY, embedding vector(2));
        INSERT INTO named VALUES ('5', '[1,0]'), ('six', '[1,1]');
        CREATE TABLE tagged (id uuid PRIMARY KEY, embedding vector(2));
        INSERT INTO tagged VALUES ('00000000-0000-0000-0000-000000000001', '[1,0]'),
            ('00000000-0000-0000-0000-000000000002', '[1,1]');
        CREATE TABLE pair (a int, b text, embedding vector(2), PRIMARY KEY (a, b));
        INSERT INTO pair VALUES (1, 'x', '[1,0]'), (1, 'y', '[1,1]');
        """
    )
    return database_url


def run(url: str, command: str, *arguments: str, table: str = "item") -> list[dict[str, Any]]:
    result = run_pgvec(command, *arguments, "--table", table, "--url", url, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["matches"]


def keys(matches: list[dict[str, Any]], name: str = "id") -> list[Any]:
    return [match["record"][name] for match in matches]


def test_recommend(items: str):
    """Keys, vectors and JSON keys are examples; a strategy gives scores."""
    assert keys(run(items, "recommend", "--positive", "1", "--negative", "3")) == [2, 4]
    found = run(
        items, "recommend", "--positive", '{"id": 1}', "--positive", "[0.9, 0, 0.1]", "--strategy", "best_score"
    )
    assert keys(found) == [2, 4, 3]
    assert found[0]["score"] > 0.7
    assert found[0]["distance"] is None
    assert keys(run(items, "recommend", "--positive", "1", "--where", '{"title": "c"}', "--limit", "5")) == [3]


def test_discover(items: str):
    """A target with pairs, or pairs alone."""
    assert keys(run(items, "discover", "--target", "[1, 0, 0]", "--good", "3", "--bad", "1")) == [4, 2]
    assert keys(run(items, "discover", "--good", "1", "--bad", "3")) == [2, 4]


@pytest.mark.parametrize(
    ("table", "key", "column", "other"),
    [
        ("item", "1", "id", 2),
        ("named", "5", "name", "six"),
        ("named", '{"name": "5"}', "name", "six"),
        ("tagged", "00000000-0000-0000-0000-000000000001", "id", "00000000-0000-0000-0000-000000000002"),
        ("pair", '{"a": 1, "b": "x"}', "b", "y"),
    ],
)
def test_similar(items: str, table: str, key: str, column: str, other: object):
    """A key is the text itself, read by the type of its column; one of several parts is JSON."""
    options = () if table == "item" else ("--distance", "cosine")
    assert keys(run(items, "similar", key, "--limit", "1", *options, table=table), column) == [other]


def test_diversity(items: str):
    """A diverse search brings what differs, and tells the value by which it was chosen."""
    plain = run(items, "search", "--vector", "[1, 0.1, 0]", "--limit", "2")
    diverse = run(items, "search", "--vector", "[1, 0.1, 0]", "--limit", "2", "--diversity", "0.8", "--candidates", "4")
    assert set(keys(plain)) == {1, 2}
    assert keys(diverse)[1] in {3, 4}
    assert diverse[0]["score"] > diverse[1]["score"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["recommend", "--positive", "77"], 1, "no row with the key 77"),
        (["recommend", "--positive", "5"], 1, "NULL or zero"),
        (["recommend"], 2, "positive= is empty"),
        (["recommend", "--positive", "[1, 2]"], 2, "2 dimensions"),
        (["recommend", "--positive", "1", "--strategy", "mean"], 2, "strategy='mean'"),
        (["discover", "--good", "1"], 2, "no pairs"),
        (["discover"], 2, "target="),
        (["similar", "x"], 2, "no value of the column id"),
        (["similar", "77"], 1, "77"),
        (["search", "--vector", "[1,0,0]", "--diversity", "2"], 2, "between 0 and 1"),
        (["search", "--vector", "[1,0,0]", "--candidates", "20"], 2, "diversity="),
        (["search", "word", "--keyword", "--diversity", "0.3"], 2, "--diversity"),
    ],
)
def test_what_is_refused(items: str, arguments: list[str], code: int, message: str):
    """Bad options exit with 2, data that are not there with 1, each with a sentence."""
    result = run_pgvec(*arguments, "--table", "item", "--url", items)
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_hostile_texts(items: str):
    """No text of the corpus becomes SQL or a traceback, wherever it is given."""
    for number, payload in enumerate(PAYLOADS[:: examples(dev=12, full=4)]):
        given = payload if not payload.startswith("-") else f" {payload}"
        arguments = (
            ["similar", given, "--table", "named", "--distance", "cosine"],
            ["recommend", "--positive", json.dumps({"name": given}), "--table", "named", "--distance", "cosine"],
            ["recommend", "--positive", "1", "--strategy", given, "--table", "item"],
            ["discover", "--good", json.dumps({given: given}), "--bad", "1", "--table", "item"],
        )[number % 4]
        result = run_pgvec(*arguments, "--url", items)
        assert result.exit_code in {0, 1, 2}, result.output
        assert "Traceback" not in result.stderr
