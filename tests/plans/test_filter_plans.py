"""Filters are written so that the usual indexes serve them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pgvec.model import Distance, Target, VectorColumn, VectorType
from pgvec.statements.filters import build_filter


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(index=True)
    word: Mapped[str] = mapped_column(sa.String(20), index=True)
    tags = mapped_column(postgresql.ARRAY(sa.Text))
    metadata_ = mapped_column("metadata", postgresql.JSONB)
    __table_args__ = (
        sa.Index("ix_item_tags", "tags", postgresql_using="gin"),
        sa.Index("ix_item_metadata", "metadata", postgresql_using="gin", postgresql_ops={"metadata": "jsonb_path_ops"}),
    )


TARGET = Target(Item, "item", ("id",), VectorColumn("none", "none", VectorType.VECTOR, 3), Distance.L2, ())


@pytest.fixture
def items(engine: sa.Engine) -> Iterator[sa.Connection]:
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO item SELECT n, n, 'w' || n, ARRAY['t' || n], jsonb_build_object('n', n, 'list', jsonb_build_array(n)) "
            "FROM generate_series(1, 20000) n"
        )
        connection.exec_driver_sql("ANALYZE item")
        yield connection


def _indexes(plan: dict[str, Any]) -> set[str]:
    own = {plan["Index Name"]} if "Index Name" in plan else set()
    return own.union(*(_indexes(part) for part in plan.get("Plans", [])))


CASES = (
    ({"number": 5}, "ix_item_number"),
    ({"number": {"$in": [1, 2, 3]}}, "ix_item_number"),
    ({"number": {"$between": [1.5, 3.5]}}, "ix_item_number"),
    ({"word": "w7"}, "ix_item_word"),
    ({"word": {"$in": ["w7", "w8"]}}, "ix_item_word"),
    ({"tags": {"$contains": "t7"}}, "ix_item_tags"),
    ({"tags": {"$overlaps": ["t7", "t8"]}}, "ix_item_tags"),
    ({"metadata.n": 7}, "ix_item_metadata"),
    ({"metadata.list": {"$contains": 7}}, "ix_item_metadata"),
    ({"metadata.list": {"$overlaps": [7, 8]}}, "ix_item_metadata"),
    ({"$or": [{"number": 5}, {"metadata.n": 7}]}, "ix_item_metadata"),
    ({"$not": {"$not": {"number": 5}}}, "ix_item_number"),
)


def test_a_selective_filter_uses_the_index(items: sa.Connection):
    """Equality, ranges, lists and containment are answered by btree and GIN indexes."""
    for where, index in CASES:
        compiled = sa.select(Item.id).where(build_filter(TARGET, where)).compile(dialect=items.dialect)
        (plan,) = items.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", compiled.construct_params()).scalar_one()
        assert index in _indexes(plan["Plan"]), where


@pytest.mark.pg(">= 16")
def test_a_generic_plan_uses_the_index_too(items: sa.Connection):
    """A prepared statement can use the index without being planned anew for every value."""
    # Without the value, Postgres expects so many rows of a JSON condition that on a small table it would read all.
    items.exec_driver_sql("SET LOCAL enable_seqscan = off")
    dialect = postgresql.psycopg.dialect(paramstyle="numeric_dollar")
    for where, index in CASES:
        compiled = sa.select(Item.id).where(build_filter(TARGET, where)).compile(dialect=dialect)
        explain = f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {compiled}"
        (plan,) = items.exec_driver_sql(explain, execution_options={"no_parameters": True}).scalar_one()
        assert index in _indexes(plan["Plan"]), where
