"""Numbers that stand in the text of a statement, since they are the same for every search of its shape."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

__all__ = ["HALF", "LEAST", "NAN", "ONE", "ZERO", "paged", "row_count", "whole_number"]

ZERO: sa.ColumnElement[float] = sa.literal_column("0::float8", sa.Float())
HALF: sa.ColumnElement[float] = sa.literal_column("0.5::float8", sa.Float())
ONE: sa.ColumnElement[float] = sa.literal_column("1::float8", sa.Float())
NAN: sa.ColumnElement[float] = sa.literal_column("'NaN'::float8", sa.Float())
LEAST: sa.ColumnElement[float] = sa.literal_column("'-Infinity'::float8", sa.Float())


def whole_number(number: int) -> sa.ColumnElement[int]:
    """A whole number."""
    return sa.literal_column(f"{number:d}", sa.Integer)


def row_count() -> sa.ColumnElement[int]:
    """The number of rows."""
    return sa.func.count(sa.literal_column("*"))


def paged(statement: sa.Select[Any], limit: int, offset: int) -> sa.Select[Any]:
    """Return the rows of an ordered statement that come behind the first ones."""
    if offset:
        statement = statement.offset(whole_number(offset))
    return statement.limit(whole_number(limit))
