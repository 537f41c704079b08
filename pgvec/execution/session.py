"""Runs recipes on a session, a connection or an engine."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Self, TypeAlias, TypeVar

import psycopg
import sqlalchemy as sa
from sqlalchemy.orm import Session, scoped_session

from pgvec.errors import ConfigurationError
from pgvec.execution.cursor import open_cursor
from pgvec.execution.explain import explain
from pgvec.execution.facts import PROBE, known_facts, read_facts, require_psycopg
from pgvec.execution.filter_record import FilterRecord
from pgvec.execution.prepared import Found
from pgvec.execution.sqlstate import DRIVER_ERRORS, raise_translated, translated
from pgvec.execution.survey import known_survey, take_survey
from pgvec.execution.unit import (
    LIVENESS,
    begin,
    bind_arguments,
    direct_arguments,
    held_records,
    prepare,
    runs_direct,
    session_connection,
    step,
    summary,
    unflushed,
)
from pgvec.model import ServerFacts, TableFacts, Target
from pgvec.statements.requests import Execute, Explain, Find, Forget, Place, Request, Result, Survey

__all__ = ["Bind", "SessionDriver"]

T = TypeVar("T")
Bind: TypeAlias = "Session | scoped_session[Session] | sa.Connection | sa.Engine"


class SessionDriver:
    """Runs recipes in the caller's transaction, which it never commits; given an engine, each in one of its own."""

    def __init__(self, bind: Bind, *, record: FilterRecord | None = None) -> None:
        if not isinstance(bind, Session | scoped_session | sa.Connection | sa.Engine):
            raise ConfigurationError(
                f"Repository works on a Session, Connection or Engine of SQLAlchemy, not on {type(bind).__name__}"
                + ("; for that there is AsyncRepository" if "Async" in type(bind).__name__ else "")
            )
        self._bind = bind
        self._record = record

    def run(self, recipe: Generator[Request, Any, T], target: Target | Place) -> T:
        """Run a recipe to its end and return what it returns. Errors of the database arrive in it as pgvec's."""
        answer, error = None, None
        try:
            with _Unit(self._bind, target) as unit:
                while True:
                    try:
                        request = step(recipe, answer, error)
                    except StopIteration as stop:
                        return stop.value  # type: ignore[no-any-return]
                    answer, error = None, None
                    if self._record is not None and isinstance(request, Find):
                        self._record.note(request)
                    try:
                        answer = unit.answer(request)
                    except Exception as exc:  # noqa: BLE001 - the recipe decides what becomes of it
                        error = exc
        except DRIVER_ERRORS as exc:
            raise_translated(exc)

    def known(self, target: Target) -> TableFacts | None:
        """Return what is remembered of a target's table; this takes no connection."""
        bind: Any = self._bind
        return known_survey(bind.get_bind(**bind_arguments(target)) if hasattr(bind, "get_bind") else bind, target)

    @contextmanager
    def connection(self, target: Target) -> Iterator[sa.Connection]:
        """Yield the connection of a unit of work, for bulk loads; errors within the block stay as they are."""
        unit = _Unit(self._bind, target)
        with translated():
            unit.__enter__()
        try:
            require_psycopg(unit.connection.dialect)
            yield unit.connection
        except BaseException:
            unit.__exit__(*sys.exc_info())
            raise
        with translated():
            unit.__exit__(None, None, None)


class _Unit:
    """One unit of work: a connection in a transaction and, where the caller gave one, his session."""

    connection: sa.Connection

    def __init__(self, bind: Bind, target: Target | Place) -> None:
        self._bind = bind
        self._target = target
        self.session: Session | None = None
        self._own_session: Session | None = None
        self._transaction: AbstractContextManager[sa.Connection] | None = None

    def __enter__(self) -> Self:
        bind = self._bind
        if isinstance(bind, sa.Engine):
            self._transaction = bind.begin()
            self.connection = self._transaction.__enter__()
        elif isinstance(bind, sa.Connection):
            self.connection = bind
            begin(bind)
        else:
            self.session = bind() if isinstance(bind, scoped_session) else bind
            if unflushed(self.session):
                self.session.flush()
            self.connection = session_connection(self.session, self._target)
        return self

    def __exit__(self, *failure: object) -> None:
        if self._own_session is not None:
            self._own_session.expunge_all()
            self._own_session.close()
        if self._transaction is None:
            return
        try:
            self._transaction.__exit__(*failure)  # type: ignore[arg-type]
        except DRIVER_ERRORS:
            if failure[0] is None:
                raise
            # An interrupted statement may still occupy the connection, so that it cannot roll back. The caller has to hear
            # of what went wrong first.
            self.connection.invalidate()

    def answer(self, request: Request) -> Any:
        match request:
            case Find():
                return self._find(request)
            case Execute():
                return self._execute(request)
            case Survey():
                known = None if request.fresh else known_survey(self.connection, request.target)
                return (known, 0) if known is not None else take_survey(self.connection, request.target)
            case Explain():
                prepared = prepare(request.find, self._facts(), self.connection, self.session)
                return explain(self.connection, request, prepared)
            case Forget():
                for record in held_records(self._any_session(), request):
                    self._any_session().expire(record)
                return None

    def _facts(self) -> ServerFacts:
        engine = self.connection.engine
        facts = known_facts(engine)
        if facts is None:
            require_psycopg(self.connection.dialect)
            facts = read_facts(engine, self.connection.execute(PROBE).one())
        return facts

    def _find(self, find: Find) -> list[Found]:
        prepared = prepare(find, self._facts(), self.connection, self.session)
        if not runs_direct(prepared, self.connection, self.session):
            answer = self._any_session().execute(
                prepared.current(find), dict(find.parameters), bind_arguments=bind_arguments(find.target)
            )
            return prepared.found(answer, self.session)
        arguments = direct_arguments(prepared, find)
        try:
            with open_cursor(self._driver) as cursor:
                rows = cursor.execute(prepared.sql, arguments).fetchall()  # type: ignore[arg-type]
                return prepared.found(prepared.processed(rows, cursor), self.session)
        except psycopg.OperationalError:
            if self._driver.closed:
                self.connection.execute(LIVENESS)
            raise

    def _execute(self, request: Execute) -> Result:
        session = self._any_session()
        with self._scope(session) if request.savepoint else nullcontext():
            result = session.execute(request.statement, request.parameters, bind_arguments=bind_arguments(self._target))
            return summary(request, result)

    def _scope(self, session: Session) -> AbstractContextManager[Any]:
        """What undoes a failed statement alone: a savepoint, or in autocommit mode a transaction."""
        return self._driver.transaction() if self._driver.autocommit else session.begin_nested()

    @property
    def _driver(self) -> psycopg.Connection[Any]:
        return self.connection.connection.driver_connection  # type: ignore[return-value]

    def _any_session(self) -> Session:
        """The caller's session; without one, a session on the connection that leaves the transaction alone."""
        if self.session is not None:
            return self.session
        if self._own_session is None:
            self._own_session = Session(self.connection, expire_on_commit=False, join_transaction_mode="rollback_only")
        return self._own_session
