"""Errors of the server that are a row's fault."""

from __future__ import annotations

import re

import psycopg
import sqlalchemy.exc as sa_exc

from pgvec.errors import DuplicateRecordError, InvalidOptionError, InvalidRowError
from pgvec.execution.sqlstate import translate

__all__ = ["as_load_error"]

_UNIQUE_VIOLATION = "23505"
_NO_SUCH_CONSTRAINT = "42P10"
_RAISED_BY_TRIGGER = "P0001"
_DATA_AND_INTEGRITY = ("22", "23")


def as_load_error(exc: BaseException, relation: str | None = None) -> BaseException:
    """Return the error of pgvec for what the server said about a load.

    Args:
        exc: What the driver or SQLAlchemy raised.
        relation: The table that COPY wrote to, if it was COPY: then the server knows the row.
    """
    original = exc.orig if isinstance(exc, sa_exc.DBAPIError) and exc.orig is not None else exc
    if not isinstance(original, psycopg.Error) or original.sqlstate is None:
        return translate(exc)
    state, diag = original.sqlstate, original.diag
    said = ". ".join(part for part in (diag.message_primary, diag.message_detail) if part)
    position = None if relation is None else _position(diag.context, relation)
    where = "" if position is None else f"Row {position}: "
    if state == _UNIQUE_VIOLATION:
        return DuplicateRecordError(
            f"{where}{said} Load with on_conflict='skip' or 'update', or leave the row out.",
            position=position,
            constraint=diag.constraint_name,
            sqlstate=state,
        )
    if state == _NO_SUCH_CONSTRAINT:
        return InvalidOptionError(
            f"on_conflict needs a unique constraint or index on exactly the columns of the key, and without a condition: {said}"
        )
    if state.startswith(_DATA_AND_INTEGRITY) or state == _RAISED_BY_TRIGGER:
        return InvalidRowError(
            f"{where}{said}", position=position, key=diag.column_name, constraint=diag.constraint_name, sqlstate=state
        )
    return translate(exc)


def _position(context: str | None, relation: str) -> int | None:
    """Read the row from the context that COPY adds: its last line, in words of the server's language.

    In every language the name of the table comes first, then the number of the row, then perhaps the column.
    """
    _, found, rest = (context or "").rpartition("\n")[2].partition(relation)
    number = re.search(r"\d+", rest) if found else None
    return None if number is None else int(number.group())
