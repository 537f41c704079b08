"""``pgvec index`` on tables of the database."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

pytest.importorskip("typer", reason="the extra cli is not installed")

from support.command_line import run_pgvec


@pytest.fixture
def items(connection: psycopg.Connection, database_url: str) -> str:
    """The URL of a database with a table of two vector columns in a schema of its own."""
    connection.execute('CREATE SCHEMA "Shop"')
    connection.execute('CREATE TABLE "Shop".item (id int PRIMARY KEY, v vector(8), w halfvec(4), open vector)')
    connection.execute(
        'INSERT INTO "Shop".item SELECT i, array_fill(i, ARRAY[8])::vector FROM generate_series(1, 50) i'
    )
    return database_url


def invoke(url: str, *arguments: str, code: int = 0) -> Any:
    result = run_pgvec("index", *arguments, "--url", url)
    assert result.exit_code == code, result.output
    return result


BUILD = ("build", "--table", "item", "--schema", "Shop", "--column", "v")


def test_the_life_of_an_index(items: str):
    """Build, build again, list, rebuild, progress and drop."""
    result = invoke(items, *BUILD, "--distance", "l2", "--m", "8", "--ef-construction", "20", "--quantization", "halfvec",
                    "--memory", "64MB", "--workers", "0", "--patience", "10")  # fmt: skip
    assert "ix_item_v_hnsw_halfvec is built and valid" in result.stdout
    assert "CREATE INDEX CONCURRENTLY ix_item_v_hnsw_halfvec" in result.stderr
    assert "was there already" in invoke(items, *BUILD, "--distance", "l2", "--m", "8", "--ef-construction", "20",
                                         "--quantization", "halfvec").stdout  # fmt: skip
    (listed,) = json.loads(invoke(items, "list", "--json").stdout)
    assert (listed["operator_class"], listed["options"]) == ("halfvec_l2_ops", {"m": 8, "ef_construction": 20})
    assert (listed["status"], listed["advice"]) == ("valid", None)
    assert "Shop.item" in invoke(items, "list", "--table", "item", "--schema", "Shop").stdout
    assert "ix_item" not in invoke(items, "list", "--table", "item").stdout
    invoke(items, "rebuild", "ix_item_v_hnsw_halfvec", "--schema", "Shop")
    assert json.loads(invoke(items, "progress", "--json").stdout) == []
    assert "phase" in invoke(items, "progress").stdout
    invoke(items, "drop", "ix_item_v_hnsw_halfvec", "--schema", "Shop")
    assert json.loads(invoke(items, "list", "--json").stdout) == []


def test_a_dry_run_builds_nothing(items: str):
    """``--dry-run`` shows statement, estimate and advice."""
    result = invoke(items, *BUILD, "--method", "ivfflat", "--lists", "20", "--dry-run", "--json")
    answer = json.loads(result.stdout)
    assert answer["built"] is None
    assert "USING ivfflat (v vector_cosine_ops) WITH (lists = 20)" in answer["statement"]
    assert "load first, then build" in answer["plan"]["advice"][0]
    assert json.loads(invoke(items, "list", "--json").stdout) == []


def test_an_invalid_index_is_pointed_out(items: str, connection: psycopg.Connection):
    """The list says what an INVALID index costs and what to do."""
    invoke(items, *BUILD)
    connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"Shop\".ix_item_v_hnsw'::regclass")
    result = invoke(items, "list")
    assert "INVALID" in result.stdout
    assert "pgvec index rebuild ix_item_v_hnsw" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("build", "--table", "item"), 1, "no table 'item'"),
        (("build", "--table", "item", "--schema", "Shop"), 2, "give --column"),
        ((*BUILD[:-1], "x"), 2, "no vector column"),
        ((*BUILD[:-1], "open"), 2, "no number of dimensions"),
        ((*BUILD, "--method", "gin"), 2, "hnsw or ivfflat"),
        ((*BUILD, "--lists", "3"), 2, "--lists is an option of ivfflat"),
        ((*BUILD, "--method", "ivfflat", "--ef-construction", "3"), 2, "--ef-construction is an option of hnsw"),
        ((*BUILD, "--memory", "lots"), 2, "22023"),
        (("drop", "nothing"), 1, "no vector index"),
    ],
)  # fmt: skip
def test_mistakes(items: str, arguments: tuple[str, ...], code: int, message: str):
    """A mistake is one line that says what to do."""
    assert message in " ".join(invoke(items, *arguments, code=code).stderr.split())


def test_recall_is_measured_where_it_is_asked_for(engine: sa.Engine, database_url: str):
    """A graph that finds little is told of, in the list and in ``pgvec inspect``; what cannot be measured is left open."""
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE poor (id int PRIMARY KEY, v vector(16)); CREATE TABLE keyless (v vector(2))")
        )
        connection.execute(
            sa.text(
                "INSERT INTO poor SELECT i, array_agg(random()) FROM generate_series(1, 6000) i, generate_series(1, 16) GROUP BY i"
            )
        )
        connection.execute(sa.text("CREATE INDEX poor_v ON poor USING ivfflat (v vector_l2_ops) WITH (lists = 300)"))
        connection.execute(sa.text("CREATE INDEX ON keyless USING hnsw (v vector_l2_ops)"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE poor"))
    listed = json.loads(run_pgvec("index", "list", "--recall", "20", "--json", "--url", database_url).stdout)
    recalls = {index["name"]: (index["recall"], index["advice"]) for index in listed}
    assert recalls["keyless_v_idx"] == (None, None)
    assert recalls["poor_v"][0] < 0.8
    assert "pgvec tune" in recalls["poor_v"][1]
    shown = run_pgvec("inspect", "--recall", "20", "--url", database_url)
    assert shown.exit_code == 0, shown.output
    assert "recall@10" in shown.stdout
    assert "keyless.v: its recall cannot be measured" in shown.stderr
    assert run_pgvec("index", "list", "--recall", "0", "--url", database_url).exit_code == 2
    assert "recall@10" not in run_pgvec("index", "list", "--url", database_url).stdout
