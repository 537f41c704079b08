"""Recipes that read and write records by key or by condition."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Sequence
from typing import Any

import sqlalchemy as sa

from pgvec.errors import (
    InvalidInputError,
    InvalidOptionError,
    InvalidRowError,
    MappingError,
    RecordNotFoundError,
)
from pgvec.model import Target
from pgvec.operations.rows import Row, grouped
from pgvec.statements import write
from pgvec.statements.requests import Execute, Forget, Request

__all__ = ["count", "delete", "get", "insert", "update", "upsert"]

Key = tuple[Any, ...]


def get(target: Target, key: Key, include_embedding: bool) -> Generator[Request, Any, Any]:
    """Return the record with a primary key.

    Raises:
        RecordNotFoundError: There is none.
    """
    is_table = isinstance(target.entity, sa.Table)
    found = yield Execute(write.record_by_key(target, key, include_embedding), target, scalars=not is_table)
    if not found.rows:
        raise RecordNotFoundError(f"No row of {target.name} has the key {_shown(key)}")
    return dict(found.rows[0]._mapping) if is_table else found.rows[0]  # noqa: SLF001 - Row's documented view


def count(target: Target, where: sa.ColumnElement[bool] | None) -> Generator[Request, Any, int]:
    """Count the rows that pass a condition."""
    counted = yield Execute(write.count(target, where), target, scalars=True)
    return int(counted.rows[0])


def insert(target: Target, rows: Sequence[Row]) -> Generator[Request, Any, list[Any]]:
    """Insert rows that must be new, and return their keys in the order given.

    Raises:
        DuplicateRecordError: A unique key exists already. Nothing is inserted then.
    """
    keys: list[Any] = [None] * len(rows)
    for positions in grouped(rows):
        result = yield Execute(write.insert(target), target, [rows[position] for position in positions], savepoint=True)
        for position, key in zip(positions, result.rows, strict=True):
            keys[position] = _public(tuple(key))
    return keys


def upsert(target: Target, rows: Sequence[Row], key: Sequence[str]) -> Generator[Request, Any, list[Any]]:
    """Insert rows, or replace what they name in the rows that have their key; of equal keys the last row counts.

    Returns:
        The primary keys of the rows written, one for each distinct ``key``, in the order of their first appearance.

    Raises:
        MappingError: The records are stored in several tables.
    """
    _require_one_table(target)
    latest = dict(zip(_keys(rows, key), rows, strict=True))
    distinct = list(latest.values())
    primary_of: dict[Key, Key] = {}
    for positions in grouped(distinct):
        names = sorted(distinct[positions[0]])
        result = yield Execute(
            write.upsert(target, names, key), target, [distinct[position] for position in positions], savepoint=True
        )
        width = len(target.key)
        primary_of.update({tuple(row[width:]): tuple(row[:width]) for row in result.rows})
    yield Forget(target, list(primary_of.values()))
    # A column may store another value than it was given (citext, rounding): those keys come last.
    given = [primary_of.pop(wanted) for wanted in latest if wanted in primary_of]
    return [_public(primary) for primary in (*given, *primary_of.values())]


def update(target: Target, rows: Sequence[Row]) -> Generator[Request, Any, int]:
    """Update rows by primary key, and return how many.

    Raises:
        RecordNotFoundError: One of them does not exist. Nothing is updated then.
        InvalidInputError: Two rows have the same key, so that their order would decide.
    """
    if not rows:
        return 0
    keys = _keys(rows, target.key)
    if len(set(keys)) < len(keys):
        raise InvalidInputError("Two of the rows have the same key: give each record once")
    found = yield Execute(write.present_keys(target, keys), target)
    missing = set(keys) - {tuple(key) for key in found.rows}
    if missing:
        raise RecordNotFoundError(
            f"{len(missing)} of {len(keys)} rows do not exist in {target.name}, the first has the key "
            f"{_shown(next(key for key in keys if key in missing))}; nothing was updated"
        )
    for positions in grouped(rows):
        names = sorted(set(rows[positions[0]]) - set(target.key))
        if names:
            parameters = [_update_parameters(target, rows[position]) for position in positions]
            yield Execute(write.update(target, names), target, parameters, savepoint=True)
    yield Forget(target, keys)
    return len(rows)


def delete(target: Target, where: sa.ColumnElement[bool] | None) -> Generator[Request, Any, int]:
    """Delete the rows that pass a condition, and return how many.

    Raises:
        InvalidOptionError: There is no condition. An empty filter must not empty a table by mistake.
    """
    if where is None:
        raise InvalidOptionError(
            f"delete() needs a condition, and this one would delete every row of {target.name}: if that is meant, pass "
            "where=sqlalchemy.true()"
        )
    deleted = yield Execute(write.delete(target, where), target, savepoint=True)
    return int(deleted.count)


def _keys(rows: Sequence[Row], names: Sequence[str]) -> list[Key]:
    keys = [tuple(row[name] for name in names) for row in rows]
    for position, key in enumerate(keys, start=1):
        if not all(isinstance(value, Hashable) for value in key):
            raise InvalidRowError(
                f"Row {position} has the key {_shown(key):.60}, which Python cannot tell from others: use a key of plain values",
                position=position,
            )
    return keys


def _require_one_table(target: Target) -> None:
    if isinstance(target.entity, sa.Table):
        return
    mapper = sa.inspect(target.entity)
    if len(mapper.tables) > 1:
        raise MappingError(
            f"{mapper.class_.__name__} is stored in {len(mapper.tables)} tables, and an upsert writes to one: use insert() for "
            "new records and update() for those that exist"
        )


def _update_parameters(target: Target, row: Row) -> Row:
    if not isinstance(target.entity, sa.Table):
        return row
    values = {name: value for name, value in row.items() if name not in target.key}
    return values | {f"key_{n}": row[name] for n, name in enumerate(target.key)}


def _public(key: Key) -> Any:
    """A key of one column is its value, as in ``session.get``."""
    return key[0] if len(key) == 1 else key


def _shown(key: Key) -> str:
    return repr(_public(key))
