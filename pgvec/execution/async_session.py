"""Runs recipes on an asynchronous session, connection or engine."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Self, TypeAlias, TypeVar

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session

from pgvec.errors import ConfigurationError
from pgvec.execution.cursor import open_async_cursor
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
    step,
    summary,
    unflushed,
)
from pgvec.model import ServerFacts, TableFacts, Target
from pgvec.statements.requests import Execute, Explain, Find, Forget, Place, Request, Result, Survey

__all__ = ["AsyncBind", "AsyncSessionDriver"]

T = TypeVar("T")
AsyncBind: TypeAlias = "AsyncSession | async_scoped_session[AsyncSession] | AsyncConnection | AsyncEngine"


class AsyncSessionDriver:
    """Runs recipes in the caller's transaction, which it never commits; given an engine, each in one of its own."""

    def __init__(self, bind: AsyncBind, *, record: FilterRecord | None = None) -> None:
        if not isinstance(bind, AsyncSession | async_scoped_session | AsyncConnection | AsyncEngine):
            raise ConfigurationError(
                f"AsyncRepository works on an AsyncSession, AsyncConnection or AsyncEngine of SQLAlchemy, not on "
                f"{type(bind).__name__}; for the others there is Repository"
            )
        self._bind = bind
        self._record = record

    async def run(self, recipe: Generator[Request, Any, T], target: Target | Place) -> T:
        """Run a recipe to its end and return what it returns. Errors of the database arrive in it as pgvec's."""
        answer, error = None, None
        try:
            async with _Unit(self._bind, target) as unit:
                while True:
                    try:
                        request = step(recipe, answer, error)
                    except StopIteration as stop:
                        return stop.value  # type: ignore[no-any-return]
                    answer, error = None, None
                    if self._record is not None and isinstance(request, Find):
                        self._record.note(request)
                    try:
                        answer = await unit.answer(request)
                    except Exception as exc:  # noqa: BLE001 - the recipe decides what becomes of it
                        error = exc
        except DRIVER_ERRORS as exc:
            raise_translated(exc)

    def known(self, target: Target) -> TableFacts | None:
        """Return what is remembered of a target's table; this takes no connection."""
        bind: Any = self._bind
        if isinstance(bind, AsyncEngine):
            return known_survey(bind.sync_engine, target)
        if isinstance(bind, AsyncConnection):
            return None if bind.sync_connection is None else known_survey(bind.sync_connection, target)
        session = bind() if isinstance(bind, async_scoped_session) else bind
        return known_survey(session.sync_session.get_bind(**bind_arguments(target)), target)

    @asynccontextmanager
    async def connection(self, target: Target) -> AsyncIterator[AsyncConnection]:
        """Yield the connection of a unit of work, for bulk loads; errors within the block stay as they are."""
        unit = _Unit(self._bind, target)
        with translated():
            await unit.__aenter__()
        try:
            require_psycopg(unit.connection.dialect)
            yield unit.connection
        except BaseException:
            await unit.__aexit__(*sys.exc_info())
            raise
        with translated():
            await unit.__aexit__(None, None, None)


class _Unit:
    """One unit of work: a connection in a transaction and, where the caller gave one, his session."""

    connection: AsyncConnection

    def __init__(self, bind: AsyncBind, target: Target | Place) -> None:
        self._bind = bind
        self._target = target
        self.session: AsyncSession | None = None
        self._sync_session: Session | None = None
        self._own_session: AsyncSession | None = None
        self._transaction: AbstractAsyncContextManager[AsyncConnection] | None = None

    async def __aenter__(self) -> Self:
        bind = self._bind
        if isinstance(bind, AsyncEngine):
            self._transaction = bind.begin()
            self.connection = await self._transaction.__aenter__()
        elif isinstance(bind, AsyncConnection):
            self.connection = bind
            begin(bind.sync_connection)
        else:
            self.session = bind() if isinstance(bind, async_scoped_session) else bind
            self._sync_session = self.session.sync_session
            if unflushed(self._sync_session):
                await self.session.flush()
            self.connection = await self.session.connection(bind_arguments=bind_arguments(self._target))
        return self

    async def __aexit__(self, *failure: object) -> None:
        if self._own_session is not None:
            self._own_session.expunge_all()
            await self._own_session.close()
        if self._transaction is None:
            return
        try:
            await self._transaction.__aexit__(*failure)  # type: ignore[arg-type]
        except DRIVER_ERRORS:
            if failure[0] is None:
                raise
            # An interrupted statement may still occupy the connection, so that it cannot roll back. The caller has to hear
            # of what went wrong first.
            await self.connection.invalidate()

    async def answer(self, request: Request) -> Any:
        match request:
            case Find():
                return await self._find(request)
            case Execute():
                return await self._execute(request)
            case Survey():
                assert self.connection.sync_connection is not None
                known = None if request.fresh else known_survey(self.connection.sync_connection, request.target)
                return (known, 0) if known is not None else await self.connection.run_sync(take_survey, request.target)
            case Explain():
                assert self.connection.sync_connection is not None
                prepared = prepare(
                    request.find, await self._facts(), self.connection.sync_connection, self._sync_session
                )
                return await self.connection.run_sync(explain, request, prepared)
            case Forget():
                # An expired attribute cannot be loaded on access here, so what is held is read again at once.
                for record in held_records(self._any_session().sync_session, request):
                    await self._any_session().refresh(record)
                return None

    async def _facts(self) -> ServerFacts:
        engine = self.connection.sync_engine
        facts = known_facts(engine)
        if facts is None:
            require_psycopg(self.connection.dialect)
            facts = read_facts(engine, (await self.connection.execute(PROBE)).one())
        return facts

    async def _find(self, find: Find) -> list[Found]:
        connection = self.connection.sync_connection
        assert connection is not None
        prepared = prepare(find, await self._facts(), connection, self._sync_session)
        if not runs_direct(prepared, connection, self._sync_session):
            answer = await self._any_session().execute(
                prepared.current(find), dict(find.parameters), bind_arguments=bind_arguments(find.target)
            )
            return prepared.found(answer, self._sync_session)
        arguments = direct_arguments(prepared, find)
        driver = await self._driver()
        try:
            async with open_async_cursor(driver) as cursor:
                await cursor.execute(prepared.sql, arguments)  # type: ignore[arg-type]
                rows = await cursor.fetchall()
                return prepared.found(prepared.processed(rows, cursor), self._sync_session)
        except psycopg.OperationalError:
            if driver.closed:
                await self.connection.execute(LIVENESS)
            raise

    async def _execute(self, request: Execute) -> Result:
        session = self._any_session()
        async with await self._scope(session) if request.savepoint else nullcontext():
            result = await session.execute(
                request.statement, request.parameters, bind_arguments=bind_arguments(self._target)
            )
            return summary(request, result)

    async def _scope(self, session: AsyncSession) -> AbstractAsyncContextManager[Any]:
        """What undoes a failed statement alone: a savepoint, or in autocommit mode a transaction."""
        driver = await self._driver()
        return driver.transaction() if driver.autocommit else session.begin_nested()

    async def _driver(self) -> psycopg.AsyncConnection[Any]:
        return (await self.connection.get_raw_connection()).driver_connection  # type: ignore[return-value]

    def _any_session(self) -> AsyncSession:
        """The caller's session; without one, a session on the connection that leaves the transaction alone."""
        if self.session is not None:
            return self.session
        if self._own_session is None:
            self._own_session = AsyncSession(
                self.connection, expire_on_commit=False, join_transaction_mode="rollback_only"
            )
        return self._own_session
