"""``pgvec recall`` and ``pgvec tune`` on tables of the database."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

pytest.importorskip("typer", reason="the extra cli is not installed")

from support.command_line import run_pgvec

from pgvec.execution.migrate import up


@pytest.fixture
def items(connection: psycopg.Connection, database_url: str) -> str:
    """The URL of a database with 400 items of eight dimensions, an HNSW index, and the schema of pgvec."""
    connection.execute(
        """
        CREATE TABLE item (id int PRIMARY KEY, price int, embedding vector(8));
        INSERT INTO item SELECT n, n, ARRAY[sin(n), cos(n), sin(2 * n), cos(3 * n), sin(n * n), 1, cos(n * n), sin(5 * n)]::vector
          FROM generate_series(1, 400) AS n;
        CREATE INDEX item_embedding ON item USING hnsw (embedding vector_cosine_ops) WITH (m = 4, ef_construction = 8);
        ANALYZE item;
        """
    )
    up(database_url)
    return database_url


def invoke(url: str, *arguments: str) -> Any:
    result = run_pgvec(*arguments, "--table", "item", "--url", url)
    assert result.exit_code == 0, result.output
    return result


def test_recall_for_people_and_programs(items: str):
    """A line with the interval, one with the latencies; the JSON is the report."""
    shown = invoke(items, "recall", "--sample", "10", "--ef-search", "20").stdout
    assert "recall@10 " in shown
    assert "(10 queries)" in shown
    report = json.loads(invoke(items, "recall", "--sample", "10", "--where", '{"price": {"$lte": 5}}', "--json").stdout)
    assert (report["recall"], report["queries"], report["strategies"]) == (1.0, 10, {"exact": 10})


def test_the_curve_is_drawn_in_the_terminal(items: str):
    """Every ef_search has its line in the table, and its mark in the chart."""
    shown = invoke(items, "recall", "--sample", "5", "--curve", "--limit", "5").stdout
    assert "\n        1000 " in shown or " 1000 " in shown
    assert "a mark for each ef_search" in shown
    assert " ms" in shown.splitlines()[-1]


def test_tune_stores_for_searches(items: str, connection: psycopg.Connection):
    """The table shows each class and target; what reached its target is stored, unless it is a dry run."""
    stored = "SELECT filter_class, target_recall FROM pgvec.search_setting ORDER BY 1, 2"
    options = ("tune", "--sample", "8", "--classes", "all,half", "--target", "0.5", "--target", "0.6")
    assert "not stored" in invoke(items, *options, "--dry-run").stdout
    assert connection.execute(stored).fetchall() == []
    shown = invoke(items, *options).stdout
    assert "stored: searches" in shown
    assert connection.execute(stored).fetchall() == [("all", 0.5), ("all", 0.6), ("half", 0.5), ("half", 0.6)]


def test_pictures(items: str, tmp_path: Path):
    """Both commands draw a PNG of every value, and JSON goes with it."""
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    for command in (("recall",), ("tune", "--classes", "all,tenth")):
        picture = tmp_path / f"{command[0]}.png"
        result = invoke(items, *command, "--sample", "3", "--plot", str(picture), "--json")
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert json.loads(result.stdout)["limit"] == 10
        assert f"written: {picture}" in result.stderr


def test_a_picture_needs_its_extra(items: str, monkeypatch: pytest.MonkeyPatch):
    """Without matplotlib nothing is measured, and the message names the extra."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = run_pgvec("recall", "--table", "item", "--url", items, "--plot", "x.png")
    assert result.exit_code == 2
    assert "pgvec[plot]" in result.stderr


def test_wrong_options(items: str):
    """A filter that is none, and a class that does not exist, are refused with exit code 2."""
    for options in (("recall", "--where", "{"), ("tune", "--classes", "most"), ("tune", "--target", "2")):
        result = run_pgvec(*options, "--table", "item", "--url", items)
        assert result.exit_code == 2, result.output
