"""``pgvec inspect``: what it tells of columns and indexes, whoever made them."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine
from support.layouts import MADE_BY_OTHERS

from pgvec import Repository
from pgvec.execution.inspection import inspect_database
from pgvec.execution.reflection import reflect_table
from pgvec.model.layout import LAYOUTS, recognise

pytest.importorskip("typer", reason="the extra cli is not installed")

from support.command_line import run_pgvec


def test_columns_and_indexes(engine: Engine, connection: psycopg.Connection, database_url: str):
    """Type, storage, rows, NULLs and dead rows of each column; operator class, size and state of each index."""
    connection.execute('CREATE SCHEMA "Shop"')
    connection.execute(
        'CREATE TABLE "Shop".item (id int PRIMARY KEY, v vector(3), open vector, sparse sparsevec, flags bit(8), b bit(4))'
    )
    connection.execute('ALTER TABLE "Shop".item ALTER v SET STORAGE plain')
    connection.execute(
        """INSERT INTO "Shop".item SELECT i, CASE WHEN i % 4 = 0 THEN ARRAY[i, 1, 0]::vector END,
           array_fill(1, ARRAY[1 + i % 2])::vector, '{1:1}/9', B'00000001', B'0001' FROM generate_series(1, 400) i"""
    )
    connection.execute('CREATE INDEX "By V" ON "Shop".item USING hnsw (v vector_l2_ops) WITH (m = 8)')
    connection.execute('CREATE INDEX by_bits ON "Shop".item USING hnsw (b bit_hamming_ops)')
    connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"Shop\".by_bits'::regclass")
    found = inspect_database(engine)
    assert found.extension_schema == "public"
    states = {state.column.name: state for state in found.columns}
    assert list(states) == ["v", "open", "sparse", "b"]
    assert (states["v"].column.dimensions, states["v"].column.storage, states["v"].made_by) == (3, "plain", None)
    assert states["v"].null_share == pytest.approx(0.75)
    assert (states["open"].sampled_dimensions, states["sparse"].sampled_dimensions) == ((1, 2), (9,))
    connection.execute('ANALYZE "Shop".item')
    assert {state.column.name: state for state in inspect_database(engine).columns}["v"].null_share == pytest.approx(
        0.75
    )
    result = run_pgvec("inspect", "--url", database_url, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert [index["status"] for index in answer["indexes"]] == ["valid", "INVALID"]
    assert answer["columns"][1]["sampled_dimensions"] == [1, 2]
    result = run_pgvec("inspect", "--url", database_url, env={"COLUMNS": "200"})
    assert "vector, holds 1, 2" in result.stdout
    assert "costs every write" in result.stderr


def test_without_vectors(engine: Engine, empty_database_url: str):
    """A database without the extension, or without vectors, is no error."""
    assert inspect_database(engine).columns == ()
    result = run_pgvec("inspect", "--url", empty_database_url)
    assert result.exit_code == 0, result.output
    assert "not installed" in result.stdout


def test_tables_that_the_role_may_not_read(
    engine: Engine, connection: psycopg.Connection, login_role: str, database_url: str
):
    """What may not be read is left open, and the rest is told."""
    from sqlalchemy import NullPool, create_engine

    connection.execute("CREATE TABLE item (id int PRIMARY KEY, v vector)")
    other = create_engine(engine.url.set(username=login_role, password=login_role), poolclass=NullPool)
    (state,) = inspect_database(other).columns
    assert (state.null_share, state.sampled_dimensions) == (None, ())


@pytest.mark.parametrize("library", MADE_BY_OTHERS)
def test_tables_of_others_are_recognised_and_used_in_place(
    library: str, engine: Engine, connection: psycopg.Connection, database_url: str
):
    """The table that another library made is told by name, and searched as it is, from Python and from the command line."""
    table, schema, statements = MADE_BY_OTHERS[library]
    connection.execute(statements)
    (state,) = [found for found in inspect_database(engine).columns if found.column.table == table]
    assert state.made_by == library
    assert state.sampled_dimensions == (() if state.column.dimensions else (3,))
    reflected = reflect_table(engine, table, schema=schema)
    matches = Repository[Any](engine, reflected, distance="cosine").search([5, 1, 0], limit=3)
    layout = next(layout for layout in LAYOUTS if layout.library == library)
    assert matches.receipt.complete
    if layout.text is not None:
        assert matches[0].record[layout.text] == "text 5"
    result = run_pgvec("search", "--vector", "[5, 1, 0]", "--table", table, "--schema", schema, "--distance", "cosine",
                       "--limit", "1", "--json", "--url", database_url)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["matches"]) == 1


def test_common_names_are_not_taken_for_a_librarys():
    """A table of one's own is nobody else's."""
    assert recognise(["id", "title", "embedding"]) is None
    assert recognise(["id", "vec", "metadata", "title"]) is None
    assert recognise([]) is None
