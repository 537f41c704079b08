"""The shapes of filters: which columns they name, and how, without any value."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pgvec.model import Target, shape_text
from pgvec.statements.conditions import columns_of, conjuncts, read_leaf
from pgvec.statements.plan import target_table

__all__ = ["add_searches", "shape_of"]

_MOST_PARTS = 20


def shape_of(target: Target, where: Any, *, by_record: bool = False) -> str | None:
    """Return the shape of a condition as text, or None where it names no column of the target's table.

    Args:
        target: What is searched.
        where: The condition.
        by_record: Whether its last part only leaves the record out that is the query.
    """
    table = target_table(target)
    conditions = list(conjuncts(where))
    parts: set[tuple[str, str]] = set()
    for condition in conditions[:-1] if by_record else conditions:
        leaf = read_leaf(condition)
        if leaf is not None and leaf.table is table:
            parts.add((leaf.column, leaf.operator))
        else:
            parts |= {(name, "other") for name in columns_of(condition, table)}
    return shape_text(tuple(sorted(parts)[:_MOST_PARTS])) if parts else None


def add_searches() -> sa.TextClause:
    """Count searches: parameters ``relation`` (as SQL writes a table's name), ``shape`` and ``searches``."""
    return sa.text(
        "INSERT INTO pgvec.filter_shape AS f (relation_schema, relation_name, shape, searches)"
        " SELECT n.nspname, c.relname, CAST(:shape AS text), CAST(:searches AS bigint)"
        " FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE c.oid = CAST(pg_catalog.to_regclass(:relation) AS oid)"
        " ON CONFLICT (relation_schema, relation_name, shape)"
        " DO UPDATE SET searches = f.searches + excluded.searches, last_seen = pg_catalog.now()"
    )
