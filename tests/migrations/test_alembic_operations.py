"""The operations that migrations call: what they do to vectors and indexes, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine
from support.alembic_project import Project
from support.alembic_shapes import EMBEDDING, hnsw, table

from pgvec.errors import ConfigurationError, InvalidOptionError
from pgvec.integrations.alembic.column_change import ColumnChange, VectorValues
from pgvec.integrations.alembic.operations import AlterEmbeddingOp, DropVectorIndexOp

LIGHT = """
import sys
import alembic.op

assert alembic.op.create_vector_index
loaded = [name for name in sys.modules if name.startswith("pgvec.integrations.alembic.")]
heavy = {"autogenerate", "indexes", "columns", "rendering", "snapshot"}
assert not heavy & {name.rpartition(".")[2] for name in loaded}, loaded
assert not {"pgvec.execution.scripts", "sentence_transformers", "torch"} & set(sys.modules)
"""


@pytest.fixture
def article(connection: psycopg.Connection) -> psycopg.Connection:
    """A connection to a database with a table of two articles, one of them embedded."""
    connection.execute("CREATE TABLE article (id bigint PRIMARY KEY, category text, embedding vector(4))")
    connection.execute("INSERT INTO article VALUES (1, 'news', '[1,-2,3,-4]'), (2, 'news', NULL)")
    return connection


def run(engine: Engine, name: str, *arguments: object, **options: object) -> None:
    """Run one operation as a migration does, in a transaction that Alembic begins."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        with context.begin_transaction():
            getattr(Operations(context), name)(*arguments, **options)


def read(connection: psycopg.Connection) -> tuple[str, str | None]:
    """Return type and first value of the column."""
    row = connection.execute(
        "SELECT format_type(atttypid, atttypmod), (SELECT embedding::text FROM article WHERE id = 1)"
        " FROM pg_attribute WHERE attrelid = 'article'::regclass AND attname = 'embedding'"
    ).fetchone()
    assert row is not None
    return row


def indexes(connection: psycopg.Connection) -> list[tuple[str, bool]]:
    """Return the vector indexes of the table, and whether they are valid."""
    return connection.execute(
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid"
        " WHERE indrelid = 'article'::regclass AND NOT indisprimary ORDER BY 1"
    ).fetchall()


def test_the_plugin_is_light():
    """Alembic loads on every run what registers the operations, and neither the comparisons nor a model."""
    subprocess.run([sys.executable, "-c", LIGHT], check=True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"type": "halfvec", "dimensions": 4, "existing_type": "vector"}, ("halfvec(4)", "[1,-2,3,-4]")),
        ({"type": "sparsevec", "dimensions": 4, "existing_type": "vector"}, ("sparsevec(4)", "{1:1,2:-2,3:3,4:-4}/4")),
        ({"dimensions": 2, "values": "truncate"}, ("vector(2)", "[1,-2]")),
        (
            {"dimensions": 2, "type": "halfvec", "existing_type": "vector", "values": "truncate"},
            ("halfvec(2)", "[1,-2]"),
        ),
        ({"dimensions": 4, "type": "bit", "existing_type": "vector", "values": "quantize"}, ("bit(4)", "1010")),
        ({"dimensions": 9, "values": "clear"}, ("vector(9)", None)),
        ({"type": "vector"}, ("vector", "[1,-2,3,-4]")),
        ({"type": "bit", "dimensions": 7, "existing_type": "vector", "values": "clear"}, ("bit(7)", None)),
    ],
)
def test_what_becomes_of_vectors(
    options: dict[str, object], expected: tuple[str, str], engine: Engine, article: psycopg.Connection
):
    """Vectors are kept, cut, quantized or cleared as the migration says."""
    run(engine, "alter_embedding", "article", "embedding", **options)
    assert read(article) == expected


@pytest.mark.parametrize("dimensions", [3, 5])
def test_another_number_of_dimensions_is_refused(dimensions: int, engine: Engine, article: psycopg.Connection):
    """Vectors do not change their length by themselves: the error names the ways out; without vectors there is nothing to refuse."""
    with pytest.raises(InvalidOptionError, match=rf"no vector\({dimensions}\).*'truncate'.*'clear'.*second column"):
        run(engine, "alter_embedding", "article", "embedding", dimensions=dimensions, existing_dimensions=4)
    assert read(article) == ("vector(4)", "[1,-2,3,-4]")
    article.execute("UPDATE article SET embedding = NULL")
    run(engine, "alter_embedding", "article", "embedding", dimensions=dimensions, existing_dimensions=4)
    assert read(article) == (f"vector({dimensions})", None)


def test_bits_are_not_cut_silently(engine: Engine, article: psycopg.Connection):
    """Postgres would pad or cut bit strings in a cast; the operation refuses."""
    run(
        engine,
        "alter_embedding",
        "article",
        "embedding",
        dimensions=4,
        type="bit",
        existing_type="vector",
        values="quantize",
    )
    with pytest.raises(InvalidOptionError, match=r"no bit\(3\)"):
        run(engine, "alter_embedding", "article", "embedding", dimensions=3, type="bit", existing_type="bit")
    assert read(article) == ("bit(4)", "1010")


def test_clearing_needs_a_column_that_takes_null(engine: Engine, article: psycopg.Connection):
    """On a NOT NULL column ``values='clear'`` says what to do first."""
    article.execute("DELETE FROM article WHERE id = 2; ALTER TABLE article ALTER embedding SET NOT NULL")
    with pytest.raises(InvalidOptionError, match="NOT NULL: drop that first"):
        run(engine, "alter_embedding", "article", "embedding", dimensions=2, values="clear")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing changes"),
        ({"dimensions": 3, "values": "drop"}, "'keep'"),
        ({"type": "float4"}, "'vector'"),
        ({"type": "bit", "dimensions": 3, "existing_type": "vector"}, "values='quantize'"),
        ({"type": "vector", "dimensions": 3, "existing_type": "bit"}, "values='clear'"),
        ({"dimensions": 3, "values": "quantize"}, "type='bit'"),
        ({"dimensions": 8, "existing_dimensions": 4, "values": "truncate"}, "shorter only"),
        ({"type": "sparsevec", "values": "truncate"}, "give dimensions="),
        ({"storage": "inline"}, "'plain'"),
    ],
)
def test_changes_that_make_no_sense(
    options: dict[str, object], message: str, engine: Engine, article: psycopg.Connection
):
    """Options that contradict each other are refused before anything runs."""
    with pytest.raises(InvalidOptionError, match=message):
        run(engine, "alter_embedding", "article", "embedding", **options)


def test_changes_are_reversible():
    """The way back swaps what was and what is; what was lost comes back as NULL; what was not told cannot come back."""
    kept = ColumnChange("a", "e", type="halfvec", dimensions=3, existing_type="vector", existing_dimensions=3)
    assert kept.reversed().reversed() == kept
    assert kept.reversed().type == "vector"
    cut = ColumnChange(
        "a", "e", dimensions=2, existing_type="vector", existing_dimensions=3, values=VectorValues.TRUNCATE
    )
    assert (cut.reversed().dimensions, cut.reversed().values) == (3, VectorValues.CLEAR)
    for untold in (ColumnChange("a", "e", dimensions=2), ColumnChange("a", "e", storage="plain")):
        with pytest.raises(InvalidOptionError, match="give existing_"):
            AlterEmbeddingOp(untold).reverse()
    with pytest.raises(InvalidOptionError, match="cannot be made again"):
        DropVectorIndexOp("ix", "article").reverse()


def test_storage_alone(engine: Engine, article: psycopg.Connection):
    """The storage of a column is set without writing its rows anew."""
    run(engine, "alter_embedding", "article", "embedding", storage="plain")
    assert article.execute("SELECT attstorage FROM pg_attribute WHERE attname = 'embedding'").fetchone() == ("p",)


def test_an_interrupted_build_is_done_again(engine: Engine, article: psycopg.Connection):
    """Run again, a concurrent build replaces what was left INVALID, and leaves alone what is complete."""
    options = {"operator_class": "vector_l2_ops", "where": "id > 0", "concurrently": True}
    article.execute("CREATE INDEX ix ON article USING hnsw (embedding vector_l2_ops) WHERE id > 0")
    article.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix'::regclass")
    run(engine, "create_vector_index", "ix", "article", "embedding", **options)
    assert indexes(article) == [("ix", True)]
    run(engine, "create_vector_index", "ix", "article", "embedding", **options)
    with pytest.raises(Exception, match="already exists"):
        run(engine, "create_vector_index", "ix", "article", "embedding", **{**options, "where": "id > 1"})
    run(engine, "drop_vector_index", "ix", "article", concurrently=True)
    run(engine, "drop_vector_index", "ix", "article", concurrently=True)
    assert indexes(article) == []


def test_a_rebuild_clears_up(engine: Engine, article: psycopg.Connection):
    """A rebuild drops what an interrupted one left, and ends with a valid index."""
    for name in ("ix", "ix_ccnew", "ix_ccold1", "other_ccnew"):
        article.execute(f"CREATE INDEX {name} ON article USING hnsw (embedding vector_l2_ops)")
    article.execute("UPDATE pg_index SET indisvalid = false WHERE indrelid = 'article'::regclass AND NOT indisprimary")
    run(engine, "rebuild_vector_index", "ix", "article")
    assert indexes(article) == [("ix", True), ("other_ccnew", False)]
    run(engine, "rebuild_vector_index", "other_ccnew", "article", concurrently=False)
    assert indexes(article) == [("ix", True), ("other_ccnew", True)]


def test_a_foreign_transaction_is_refused(engine: Engine, article: psycopg.Connection):
    """Inside of a transaction that Alembic did not begin, a concurrent build says why it cannot be."""
    with engine.connect() as connection, connection.begin():
        context = MigrationContext.configure(connection)
        with context.begin_transaction(), pytest.raises(ConfigurationError, match="concurrently=False"):
            Operations(context).create_vector_index(
                "ix", "article", "embedding", operator_class="vector_l2_ops", concurrently=True
            )


def test_an_index_is_on_a_column_or_an_expression(engine: Engine, article: psycopg.Connection):
    """One of the two is given, of a method that pgvector has."""
    with pytest.raises(InvalidOptionError, match="give one of the two"):
        run(engine, "create_vector_index", "ix", "article", operator_class="vector_l2_ops")
    with pytest.raises(InvalidOptionError, match="'hnsw'"):
        run(engine, "create_vector_index", "ix", "article", "embedding", method="gin")


def test_a_migration_that_was_cut_off_can_be_run_again(tmp_path: Path, database_url: str, article: psycopg.Connection):
    """A revision that failed after its first concurrent build ends well when the reason is gone."""
    project = Project(tmp_path / "alembic", database_url, pgvec_schema=False)
    article.execute("CREATE SEQUENCE article_id_seq OWNED BY article.id")
    article.execute("ALTER TABLE article ALTER embedding TYPE vector(3) USING NULL")
    article.execute("ALTER TABLE article ALTER id SET DEFAULT nextval('article_id_seq')")
    state = table(EMBEDDING, hnsw(name="first"), hnsw(name="second"))
    project.revise(state())
    article.execute("CREATE VIEW second AS SELECT 1")
    with pytest.raises(Exception, match="second"):
        project.upgrade()
    article.execute("DROP VIEW second")
    project.upgrade()
    assert not project.difference(state())
