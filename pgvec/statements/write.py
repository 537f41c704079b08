"""Statements that read and write rows by key or by condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import defer, undefer

from pgvec.model import Target
from pgvec.statements.plan import attributes

__all__ = ["count", "delete", "insert", "present_keys", "record_by_key", "update", "upsert"]


def record_by_key(target: Target, key: tuple[Any, ...], include_embedding: bool) -> sa.Select[Any]:
    """Select one record (for a table, one row), with its embeddings or without."""
    conditions = (column == value for column, value in zip(attributes(target, target.key), key, strict=True))
    if isinstance(target.entity, sa.Table):
        columns = [c for c in target.entity.c if include_embedding or c.key not in target.embeddings]
        return sa.select(*columns).where(*conditions)
    option = undefer if include_embedding else defer
    embeddings = attributes(target, target.embeddings)
    return sa.select(target.entity).where(*conditions).options(*(option(attribute) for attribute in embeddings))


def count(target: Target, where: sa.ColumnElement[bool] | None) -> sa.Select[Any]:
    """Count the rows that pass a condition."""
    statement = sa.select(sa.func.count()).select_from(target.entity)
    return statement if where is None else statement.where(where)


def insert(target: Target) -> Any:
    """Insert rows and return their keys in the order given."""
    key = attributes(target, target.key)
    return sa.insert(target.entity).returning(*key, sort_by_parameter_order=True)


def upsert(target: Target, names: Sequence[str], key: Sequence[str]) -> Any:
    """Insert rows, or replace the named attributes of those whose ``key`` exists; returns primary key and ``key``."""
    statement = pg_insert(target.entity)
    columns = {name: attributes(target, (name,))[0] for name in (*names, *key)}
    replaced = [name for name in names if name not in key] or list(key)
    statement = statement.on_conflict_do_update(
        index_elements=[_column(columns[name]) for name in key],
        set_={_column(columns[name]).key: statement.excluded[_column(columns[name]).key] for name in replaced},
    )
    return statement.returning(*attributes(target, target.key), *(columns[name] for name in key))


def present_keys(target: Target, keys: Sequence[tuple[Any, ...]]) -> sa.Select[Any]:
    """Select which of the keys exist, and lock their rows."""
    columns = attributes(target, target.key)
    chosen = columns[0].in_([key[0] for key in keys]) if len(columns) == 1 else sa.tuple_(*columns).in_(keys)
    return sa.select(*columns).where(chosen).with_for_update()


def update(target: Target, names: Sequence[str]) -> Any:
    """Update rows by primary key; for a table, with the key's values under ``key_<n>``."""
    if not isinstance(target.entity, sa.Table):
        return sa.update(target.entity)
    conditions = (c == sa.bindparam(f"key_{n}", type_=c.type) for n, c in enumerate(attributes(target, target.key)))
    return sa.update(target.entity).where(*conditions).values({name: sa.bindparam(name) for name in names})


def delete(target: Target, where: sa.ColumnElement[bool]) -> Any:
    """Delete the rows that pass a condition."""
    return sa.delete(target.entity).where(where)


def _column(attribute: Any) -> sa.Column[Any]:
    column = attribute if isinstance(attribute, sa.Column) else attribute.property.columns[0]
    assert isinstance(column, sa.Column)
    return column
