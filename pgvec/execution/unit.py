"""What the synchronous and the asynchronous driver share: decisions, not statements."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session, SessionTransaction

from pgvec.execution.cursor import BinaryVector
from pgvec.execution.prepared import PreparedFind, prepare_find
from pgvec.execution.records import watched
from pgvec.execution.sqlstate import translate
from pgvec.model import ServerFacts, Target, VectorType
from pgvec.statements.requests import Execute, Find, Forget, Place, Request, Result

__all__ = [
    "LIVENESS",
    "begin",
    "bind_arguments",
    "direct_arguments",
    "held_records",
    "prepare",
    "runs_direct",
    "session_connection",
    "step",
    "summary",
    "unflushed",
]

T = TypeVar("T")

LIVENESS = sa.text("SELECT 1")
"""What tells SQLAlchemy of a connection that was lost on the driver's cursor: it then lets go of it, and of those like it."""

_connections: WeakKeyDictionary[SessionTransaction, tuple[Any, sa.Connection]] = WeakKeyDictionary()
_engine_log = logging.getLogger("sqlalchemy.engine.Engine")
_STATEMENT_EVENTS = (
    "before_execute",
    "after_execute",
    "before_cursor_execute",
    "after_cursor_execute",
)


def bind_arguments(target: Target | Place) -> dict[str, Any]:
    """Tell a session that knows several databases which one holds the target."""
    return {"clause" if isinstance(target.entity, sa.Table) else "mapper": target.entity}


def session_connection(session: Session, target: Target | Place) -> sa.Connection:
    """Return the connection on which a session runs statements on a target.

    A session asked for it goes through its binds and the states of its transaction, which costs a tenth of a small search. As
    long as the transaction is the same, so is the connection.
    """
    transaction = None if session.get_nested_transaction() is not None else session.get_transaction()
    if transaction is not None and transaction.is_active:
        kept = _connections.get(transaction)
        if kept is not None and kept[0] is target.entity and not (kept[1].closed or kept[1].invalidated):
            return kept[1]
    connection = session.connection(bind_arguments=bind_arguments(target))
    if (begun := session.get_transaction()) is not None:
        _connections[begun] = (target.entity, connection)
    return connection


def begin(connection: sa.Connection | None) -> None:
    """Begin a transaction where there is none, as SQLAlchemy does before a statement of its own.

    A search on the driver's cursor begins one on the server; without this, ``commit()`` would not know of it.
    """
    if connection is not None and not connection.in_transaction():
        connection.begin()


def unflushed(session: Session) -> bool:
    """Whether the session holds changes that a query has to see first."""
    # What session.new, .deleted and .dirty tell, without the sets that they make.
    return session.autoflush and not session._is_clean()  # noqa: SLF001


def observed(connection: sa.Connection) -> bool:
    """Whether somebody follows the statements of this connection, so that they have to run through SQLAlchemy.

    Tracing, statement logs and comment injectors listen to these events; none of them may lose a search.
    """
    engine = connection.engine
    if engine.echo or _engine_log.isEnabledFor(logging.INFO):
        return True
    # SQLAlchemy's own switch spares the look at every event; where it is gone, look.
    if not getattr(connection, "_has_events", True) and not getattr(engine, "_has_events", True):
        return False
    return any(getattr(connection.dispatch, name) or getattr(engine.dispatch, name) for name in _STATEMENT_EVENTS)


def runs_direct(prepared: PreparedFind, connection: sa.Connection, session: Session | None) -> bool:
    """Whether a search may run on the driver's own cursor.

    Only SQLAlchemy puts the schemas of a ``schema_translate_map`` into a statement, as it executes it.
    """
    return (
        prepared.sql is not None
        and not connection.get_execution_options().get("schema_translate_map")
        and not observed(connection)
        and (session is None or not watched(session))
    )


def prepare(find: Find, facts: ServerFacts, connection: sa.Connection, session: Session | None) -> PreparedFind:
    """Return the statement for ``find``, in the form that this server and session need."""
    return prepare_find(
        find, facts.extension_schema, connection.dialect, watched=session is not None and watched(session)
    )


def direct_arguments(prepared: PreparedFind, find: Find) -> dict[str, Any]:
    """Return the parameters for the driver's cursor, dense vectors in binary."""
    arguments = prepared.arguments(find)
    for name, value in arguments.items():
        if isinstance(value, np.ndarray):
            arguments[name] = BinaryVector(value, half=find.target.column.type is VectorType.HALFVEC)
    return arguments


def summary(request: Execute, result: sa.Result[Any]) -> Result:
    """Return what a statement gave back, fetched to the end."""
    if isinstance(result, sa.CursorResult) and not result.returns_rows:
        return Result([], result.rowcount)
    rows = list(result.scalars() if request.scalars else result)
    return Result(rows, len(rows))


def held_records(session: Session, request: Forget) -> list[Any]:
    """Return what the session holds of rows that changed behind its back."""
    if isinstance(request.target.entity, sa.Table):
        return []
    mapper = sa.inspect(request.target.entity)
    found = (session.identity_map.get(mapper.identity_key_from_primary_key(key)) for key in request.keys)
    return [record for record in found if record is not None]


def step(recipe: Generator[Request, Any, T], answer: Any, error: BaseException | None) -> Request:
    """Give a recipe the answer to its last request, or the error in pgvec's terms, and return its next request."""
    if error is None:
        return recipe.send(answer)
    translated = translate(error)
    if translated is not error:
        translated.__cause__ = error
    return recipe.throw(translated)
