"""Translation of driver errors into pgvec's own, by SQLSTATE and never by message text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import psycopg
import sqlalchemy.exc as sa_exc

from pgvec.errors import (
    AccessDeniedError,
    AuthenticationFailedError,
    ConnectionFailedError,
    DuplicateRecordError,
    ExtensionMissingError,
    IndexNotFoundError,
    InvalidInputError,
    InvalidOptionError,
    MappingMismatchError,
    NearDuplicateError,
    PgvecError,
    QueryError,
    QueryTimeoutError,
    SyncError,
    TransientQueryError,
)

__all__ = ["DRIVER_ERRORS", "raise_translated", "translate", "translated"]

# The driver lets a text that is no valid Unicode fail as Python does.
DRIVER_ERRORS = (sa_exc.StatementError, psycopg.Error, UnicodeEncodeError)

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_STATE: dict[str, tuple[type[PgvecError], str]] = {
    "22P02": (InvalidInputError, "Postgres could not read a value; give a value of the column's type"),
    "22003": (InvalidInputError, "A number is out of the range of its column"),
    "22001": (InvalidInputError, "A text is longer than its column allows"),
    "23505": (DuplicateRecordError, "A row with the same unique key exists; use upsert, or another key"),
    "23502": (QueryError, "A column that must not be NULL got none"),
    "23503": (QueryError, "A foreign key points at a row that does not exist"),
    "23514": (QueryError, "A check constraint refused the row"),
    "25006": (AccessDeniedError, "The server or the transaction is read-only; write through a primary"),
    "42501": (AccessDeniedError, "The role lacks a privilege; ask the owner for a GRANT"),
    "42P01": (MappingMismatchError, "A table of the mapping does not exist in the database; run the migrations"),
    "42703": (MappingMismatchError, "A column of the mapping does not exist in the database; run the migrations"),
    "42P10": (InvalidOptionError, "The columns of the key need a unique constraint or index on exactly them"),
    "42704": (ExtensionMissingError, "A type or object does not exist; is the extension 'vector' installed here?"),
    "57014": (QueryTimeoutError, "The statement was cancelled, by a timeout or on request"),
    "55P03": (QueryTimeoutError, "A lock was not granted in time"),
    "40001": (TransientQueryError, "The transaction conflicts with another; run it again"),
    "40P01": (TransientQueryError, "Postgres broke a deadlock; run the transaction again"),
    "57P01": (TransientQueryError, "The server closed the connection; run the transaction again"),
    "57P02": (TransientQueryError, "The server crashed and restarts; run the transaction again"),
    "57P03": (ConnectionFailedError, "The server does not accept connections now"),
    "53300": (ConnectionFailedError, "The server has no connection left; use a pool or raise max_connections"),
    "PV010": (SyncError, "The embedding sync cannot do that"),
    "PV020": (NearDuplicateError, "A record is too near to another one"),
    "PV021": (InvalidOptionError, "The duplicate guard cannot be made"),
    "PV003": (IndexNotFoundError, "Declare a KeywordIndex and create it, or name one with index="),
    "3D000": (AuthenticationFailedError, "The database does not exist"),
}
_BY_CLASS: dict[str, tuple[type[PgvecError], str]] = {
    "22": (InvalidInputError, "Postgres refused a value"),
    "08": (ConnectionFailedError, "The connection to the server failed; is it running and reachable?"),
    "28": (AuthenticationFailedError, "The server refused the user or the password"),
}


def translate(exc: BaseException) -> BaseException:
    """Return the error of pgvec that stands for ``exc``, or ``exc`` itself where none does.

    The caller raises what comes back ``from exc``, so nothing of the original is lost.
    """
    original = exc.orig if isinstance(exc, sa_exc.StatementError) and exc.orig is not None else exc
    if isinstance(original, PgvecError):
        return original
    if isinstance(original, UnicodeEncodeError):
        return InvalidInputError(
            f"A text cannot be sent to Postgres, because it is no valid Unicode: {original.reason}"
        )
    if not isinstance(original, psycopg.Error):
        return exc
    state = original.sqlstate
    if state is None:
        return _without_state(original, exc)
    kind, text = _BY_STATE.get(state) or _BY_CLASS.get(state[:2]) or (QueryError, "Postgres refused the statement")
    message = original.diag.message_primary or str(original)
    if state.startswith("PV") and original.diag.message_hint:
        message = f"{message}. {original.diag.message_hint}"
    told = json.loads(original.diag.message_detail or "{}") if kind is NearDuplicateError else {}
    return kind(f"{text}. [{state}] {message}", sqlstate=state, constraint=original.diag.constraint_name, **told)


def _without_state(original: psycopg.Error, exc: BaseException) -> BaseException:
    """Errors of values that the driver cannot send, and of connections that failed, carry no SQLSTATE.

    During the handshake libpq hides the server's SQLSTATE (psycopg documents this), so a refused password looks like a
    server that is down. Only the fact that the server answered at all tells them apart: it prefixes its answer with FATAL.
    """
    detail = str(original).strip()
    if isinstance(original, psycopg.DataError | psycopg.ProgrammingError):
        return InvalidInputError(f"A value cannot be sent to Postgres: {detail}")
    if not isinstance(original, psycopg.OperationalError):
        return exc
    if "FATAL:" in detail:
        return AuthenticationFailedError(
            f"The server answered but refused the connection; check user, password and database. {detail}"
        )
    # SQLAlchemy connects, so what did not come through it happened on a connection that was there.
    if exc is original or (isinstance(exc, sa_exc.DBAPIError) and exc.connection_invalidated):
        return TransientQueryError(f"The connection was lost; run the transaction again. {detail}")
    return ConnectionFailedError(f"The server cannot be reached; is it running, and is the address right? {detail}")


def raise_translated(exc: BaseException) -> NoReturn:
    """Raise the error of pgvec that stands for ``exc``, or ``exc`` itself where none does."""
    error = translate(exc)
    if error is exc:
        raise exc
    raise error from exc


@contextmanager
def translated() -> Iterator[None]:
    """Raise pgvec's errors for the driver's within the block."""
    try:
        yield
    except DRIVER_ERRORS as exc:
        raise_translated(exc)
