"""Rows as a caller may give them, checked and brought into one form: attribute name to value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm.attributes import instance_state

from pgvec.errors import InvalidInputError, InvalidRowError
from pgvec.model import Target, VectorColumn
from pgvec.orm.reading import read_columns
from pgvec.orm.values import check_value

__all__ = ["Row", "checked_rows", "grouped"]

Row: TypeAlias = dict[str, Any]


def checked_rows(target: Target, rows: object, *, required: Sequence[str] = ()) -> list[Row]:
    """Return rows as dictionaries by attribute name, checked before anything is sent.

    Args:
        target: Where the rows belong.
        rows: One mapping or instance of the model, or an iterable of them.
        required: Attribute names that every row must have.

    Raises:
        InvalidRowError: A row is neither a mapping nor an instance, names an unknown attribute, lacks a required one, or
            has a vector that its column cannot store. It carries the row's position, counted from 1.
    """
    known = _attribute_names(target)
    vectors = {column.attribute: column for column in read_columns(target.entity)}
    checked = []
    for position, given in enumerate(_listed(target, rows), start=1):
        row = _mapping(target, given, position)
        _check_names(target, row, known, required, position)
        _check_vectors(row, vectors, position)
        checked.append(row)
    return checked


def grouped(rows: Sequence[Row]) -> list[list[int]]:
    """Return the positions of rows with the same attributes together, since one statement can write them."""
    groups: dict[frozenset[str], list[int]] = {}
    for position, row in enumerate(rows):
        groups.setdefault(frozenset(row), []).append(position)
    return list(groups.values())


def _listed(target: Target, rows: object) -> Iterable[object]:
    if isinstance(rows, Mapping) or _is_instance(target, rows):
        return [rows]
    if isinstance(rows, Iterable) and not isinstance(rows, str | bytes):
        return rows
    raise InvalidInputError(f"Rows are mappings or instances of {target.name}, one or many, not {type(rows).__name__}")


def _is_instance(target: Target, value: object) -> bool:
    return not isinstance(target.entity, sa.Table) and isinstance(value, target.entity)


def _mapping(target: Target, given: object, position: int) -> Row:
    if isinstance(given, Mapping):
        return dict(given)
    if _is_instance(target, given):
        columns = sa.inspect(target.entity).column_attrs.keys()
        held = instance_state(given).dict
        return {name: held[name] for name in columns if name in held}
    raise InvalidRowError(
        f"Row {position} is of type {type(given).__name__}: give a mapping or an instance of {target.name}",
        position=position,
    )


def _attribute_names(target: Target) -> set[str]:
    if isinstance(target.entity, sa.Table):
        return {column.key for column in target.entity.c}
    return set(sa.inspect(target.entity).column_attrs.keys())


def _check_names(target: Target, row: Row, known: set[str], required: Sequence[str], position: int) -> None:
    unknown = [name for name in row if name not in known]
    if unknown:
        raise InvalidRowError(
            f"Row {position} names {unknown[0]!r}, which {target.name} does not have; it has: {', '.join(sorted(known))}",
            position=position,
        )
    missing = [name for name in required if row.get(name) is None]
    if missing:
        raise InvalidRowError(
            f"Row {position} has no value for {missing[0]!r}, which is part of the key that it is written by",
            position=position,
        )


def _check_vectors(row: Row, vectors: Mapping[str, VectorColumn], position: int) -> None:
    for name in vectors.keys() & row.keys():
        if row[name] is None or isinstance(row[name], sa.ClauseElement):
            continue
        try:
            check_value(row[name], vectors[name], distance=vectors[name].distance, what=name)
        except InvalidInputError as exc:
            raise InvalidRowError(f"Row {position}: {exc}", position=position) from exc
