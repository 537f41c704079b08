"""Indexes on a smaller form of the vectors, and exact answers by one: size, recall, and the plan that uses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fix_database import Databases, sqlalchemy_url
from numpy.typing import NDArray
from sqlalchemy.orm import Session
from support.plans import explained

from pgvec import Repository, Strategy
from pgvec.orm import Embedding, HnswIndex

ROWS, QUERIES, DIMENSIONS, INTRINSIC = 1_200, 40, 1_536, 24


def make_vectors(count: int, dimensions: int) -> NDArray[np.float32]:
    """Return vectors in clusters, of few dimensions that are spread over many, as embeddings are."""
    rng = np.random.default_rng(8)
    centres = rng.standard_normal((20, INTRINSIC)) * 1.5
    inner = centres[rng.integers(0, 20, count)] + rng.standard_normal((count, INTRINSIC))
    return (inner @ rng.standard_normal((INTRINSIC, dimensions))).astype(np.float32)


VECTORS = make_vectors(ROWS + QUERIES, DIMENSIONS)


@pytest.fixture(scope="module")
def tables(databases: Databases, template_database: str) -> Iterator[tuple[sa.Engine, dict[str, sa.Table]]]:
    """The same rows, indexed whole, as halfvec, by bits, and by the leading dimensions."""
    name = databases.create(template_database)
    engine = sa.create_engine(sqlalchemy_url(databases.url_of(name)))
    options: dict[str, dict[str, Any]] = {
        "whole": {},
        "by_halfvec": {"quantization": "halfvec"},
        "by_bit": {"quantization": "bit"},
        "by_leading": {"dimensions": 256},
    }
    made = {}
    for table_name, chosen in options.items():
        table = made[table_name] = sa.Table(
            table_name,
            sa.MetaData(),
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("embedding", Embedding(DIMENSIONS, distance="cosine")),
            HnswIndex("embedding", m=12, ef_construction=40, **chosen),
        )
        with engine.begin() as connection:
            table.create(connection)
            Repository(connection, table).bulk_load({"id": np.arange(ROWS), "embedding": VECTORS[:ROWS]})
            connection.execute(sa.text(f"ANALYZE {table_name}"))
    yield engine, made
    engine.dispose()
    databases.drop(name)


def size(engine: sa.Engine, table: sa.Table) -> int:
    (index,) = table.indexes
    with engine.connect() as connection:
        return connection.execute(sa.select(sa.func.pg_relation_size(index.name))).scalar_one()


def recall(engine: sa.Engine, table: sa.Table) -> float:
    """Return recall@10, after asserting that every answer came from the index in one statement."""
    hits = 0
    with Session(engine) as session:
        repository = Repository(session, table)
        for query in VECTORS[ROWS:]:
            found = repository.search(query, columns=("id",))
            assert found.receipt.strategy is Strategy.INDEX
            assert not found.receipt.exact
            truth = repository.search(query, columns=("id",), exact=True)
            hits += sum(match.distance <= truth[9].distance + 1e-6 for match in found)
        with explained(session) as plans:
            repository.search(VECTORS[-1], columns=("id",))
        (index,) = table.indexes
        assert index.name in plans[0].executed_indexes
    return hits / (QUERIES * 10)


def test_sizes_and_recall(tables: tuple[sa.Engine, dict[str, sa.Table]]) -> None:
    """Halfvec halves the index and loses nothing to speak of; bits make it an eighth or less, and the full vectors repair that."""
    engine, made = tables
    whole = size(engine, made["whole"])
    best = recall(engine, made["whole"])
    assert size(engine, made["by_halfvec"]) <= whole * 0.55
    assert recall(engine, made["by_halfvec"]) >= best - 0.005
    assert size(engine, made["by_bit"]) <= whole / 8
    assert recall(engine, made["by_bit"]) >= 0.95
    assert size(engine, made["by_leading"]) <= whole / 4
    assert recall(engine, made["by_leading"]) >= 0.95


@pytest.mark.parametrize(
    ("dimensions", "options"),
    [
        (3_072, {"quantization": "halfvec"}),
        (4_096, {"quantization": "bit"}),
        (4_096, {"dimensions": 512}),
        (4_096, {"dimensions": 2_048, "quantization": "halfvec"}),
    ],
    ids=str,
)
def test_more_dimensions_than_an_index_of_vectors_holds(
    engine: sa.Engine, dimensions: int, options: dict[str, Any]
) -> None:
    """Thousands of dimensions are searched through the same API, by an index on a smaller form."""
    table = sa.Table(
        "large",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("embedding", Embedding(dimensions, distance="l2")),
        HnswIndex("embedding", m=8, ef_construction=32, **options),
    )
    vectors = make_vectors(300, dimensions)
    with engine.begin() as connection:
        table.create(connection)
        repository = Repository(connection, table)
        repository.bulk_load({"id": np.arange(300), "embedding": vectors})
        found = repository.search(vectors[7], limit=5)
        assert found.receipt.strategy is Strategy.INDEX
        assert found[0].record["id"] == 7
        assert found[0].distance == pytest.approx(0, abs=1e-3)


def test_a_compact_form_answers_a_filter(engine: sa.Engine) -> None:
    """A generated halfvec column inside of the filter's index chooses the rows that are compared by their full vectors."""
    metadata = sa.MetaData()
    table = sa.Table(
        "wide",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("label", sa.Integer),
        sa.Column("embedding", Embedding(768, distance="l2")),
        HnswIndex("embedding", m=8, ef_construction=16),
    )
    vectors = make_vectors(1_500, 768)
    with engine.begin() as connection:
        metadata.create_all(connection)
        Repository(connection, table).bulk_load(
            {"id": np.arange(1_500), "label": np.arange(1_500) % 2, "embedding": vectors}
        )
        for statement in (
            "ALTER TABLE wide ADD COLUMN small halfvec(768) GENERATED ALWAYS AS (embedding::halfvec(768)) STORED",
            "CREATE INDEX wide_label ON wide (label) INCLUDE (id, small)",
            "ANALYZE wide",
        ):
            connection.execute(sa.text(statement))
        repository = Repository(connection, table)
        for limit in (1, 10):
            found = repository.search(vectors[3], where=table.c.label == 0, limit=limit)
            truth = repository.search(vectors[3], where=table.c.label == 0, limit=limit, exact=True)
            assert [match.record["id"] for match in found] == [match.record["id"] for match in truth]
            assert found.receipt.strategy is Strategy.COMPACT
            assert found.receipt.complete
            assert not found.receipt.exact
