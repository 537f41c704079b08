"""How Postgres runs searches that are scored, grouped and counted: by the vector index, and without work that is not needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fix_database import Databases, sqlalchemy_url
from sqlalchemy.orm import Session
from support.plans import Plan, explained

from pgvec import Repository
from pgvec.orm import Embedding, HnswIndex
from pgvec.scores import distance, saturate

ROWS = 3_000
METADATA = sa.MetaData()
TABLE = sa.Table(
    "spread",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("maker", sa.Integer, nullable=False, index=True),
    sa.Column("shelf", sa.Integer),
    sa.Column("price", sa.Integer),
    sa.Column("embedding", Embedding(16, distance="l2")),
    HnswIndex("embedding", name="by_vector", m=8, ef_construction=16),
)


@pytest.fixture(scope="module")
def filled(databases: Databases, template_database: str) -> Iterator[sa.Engine]:
    """A table of many makers and three shelves."""
    name = databases.create(template_database)
    engine = sa.create_engine(sqlalchemy_url(databases.url_of(name)))
    numbers = np.arange(ROWS)
    with engine.begin() as connection:
        METADATA.create_all(connection)
        vectors = np.random.default_rng(2).standard_normal((ROWS, 16)).astype(np.float32)
        Repository(connection, TABLE).bulk_load(
            {"id": numbers, "maker": numbers % 500, "shelf": numbers % 3, "price": numbers, "embedding": vectors}
        )
        connection.execute(sa.text("ANALYZE spread"))
    yield engine
    engine.dispose()
    databases.drop(name)


def plan_of(engine: sa.Engine, method: str, **options: Any) -> tuple[Plan, Any]:
    """Search twice, and return the plan of the second time, with what it found."""
    with Session(engine) as session:
        search = getattr(Repository(session, TABLE), method)
        search([0.1] * 16, **options)
        with explained(session) as plans:
            found = search([0.1] * 16, **options)
    (plan,) = plans
    return plan, found


def test_candidates_come_by_the_index(filled: sa.Engine) -> None:
    """A score is computed over the candidates that the vector index finds; the table is not read."""
    for options in (
        {"score": saturate(TABLE.c.price, 100) - distance()},
        {"order_by": "price", "candidates": 50},
    ):
        plan, found = plan_of(filled, "search", **options)
        assert "by_vector" in plan.executed_indexes
        assert {node["Actual Loops"] for node in plan.sequential_scans} <= {0}
        assert len(found) == 10


def test_groups_that_the_pool_fills_read_no_more(filled: sa.Engine) -> None:
    """Where the nearest rows are of enough groups with enough rows, neither completion is executed."""
    plan, found = plan_of(filled, "search_groups", group_by="maker", per_group=1)
    assert len(found) == 10
    assert "by_vector" in plan.executed_indexes
    assert {node["Actual Loops"] for node in plan.sequential_scans} <= {0}


def test_groups_are_filled_by_their_index(filled: sa.Engine) -> None:
    """Rows that are missing in a group are found by the index on its column, not by reading the table."""
    plan, found = plan_of(filled, "search_groups", group_by="maker", per_group=4, limit=3)
    assert [len(group.matches) for group in found] == [4, 4, 4]
    assert "ix_spread_maker" in plan.executed_indexes
    assert {node["Actual Loops"] for node in plan.sequential_scans} <= {0}


def test_facets_are_one_pass(filled: sa.Engine) -> None:
    """All facets of single values and the total are counted in one scan of the table."""
    plan, found = plan_of(filled, "search", facets=("shelf", "maker", "price"))
    assert found.total == ROWS
    reading = [node for node in plan.nodes if node.get("Relation Name") == "spread" and node["Actual Loops"]]
    assert sum(node["Node Type"] in ("Seq Scan", "Index Only Scan", "Bitmap Heap Scan") for node in reading) == 1
    assert "by_vector" in plan.executed_indexes
