"""Runs the recipe of a bulk load on a connection: the only code that runs COPY.

The sync and the async driver differ in the lines that wait for the server; what they send is made elsewhere.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import nullcontext
from typing import Any, TypeAlias

import psycopg
import sqlalchemy as sa
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.pq.abc import PGconn
from psycopg.rows import tuple_row
from psycopg.waiting import Wait
from sqlalchemy.ext.asyncio import AsyncConnection

from pgvec.errors import ConfigurationError, InvalidInputError
from pgvec.execution.encoding import SIGNATURE, TRAILER, BlockEncoder
from pgvec.execution.feed import AsyncRows, ProgressReporter, RowFeed
from pgvec.execution.row_errors import as_load_error
from pgvec.model import LoadReport, ProgressCallback
from pgvec.statements.load_requests import AskNames, Copied, CopyRows, LoadRequest, Run
from pgvec.statements.requests import Execute, Result

__all__ = ["AsyncLoader", "Loader"]

Recipe: TypeAlias = Generator[LoadRequest, Any, LoadReport]

_DRIVER_ERRORS = (psycopg.Error, sa.exc.DBAPIError)


class _Conversation:
    """Hands answers and errors to a recipe, and keeps its result."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self.report: LoadReport | None = None

    def next(self, answer: Any = None, error: BaseException | None = None) -> LoadRequest | None:
        """Return what the recipe asks for next, or None at its end."""
        try:
            return self._recipe.send(answer) if error is None else self._recipe.throw(error)
        except StopIteration as stop:
            self.report = stop.value
            return None


class Loader:
    """Runs recipes in the transaction of a connection, in a savepoint, so that a failed load leaves nothing behind."""

    def __init__(
        self,
        connection: sa.Connection,
        rows: AsyncRows,
        *,
        columns: Sequence[Any] | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        self._connection = connection
        self._feed = RowFeed(rows, columns)
        if self._feed.asynchronous:
            raise InvalidInputError("These rows are an async iterable: load them with AsyncRepository")
        self._progress = ProgressReporter(progress, self._feed.total)

    def run(self, recipe: Recipe) -> LoadReport:
        """Run a recipe to its end and return what it returns. Errors of the database arrive in it as pgvec's."""
        try:
            _check_transaction(self._driver())
            with self._connection.begin_nested():
                return self._run(_Conversation(recipe))
        except _DRIVER_ERRORS as exc:
            error = _final(exc, self._feed)
            if error is exc:
                raise
            raise error from exc

    def _run(self, conversation: _Conversation) -> LoadReport:
        request = conversation.next()
        while request is not None:
            try:
                answer = self._answer(request)
            except _DRIVER_ERRORS as exc:
                request = conversation.next(error=_inner(exc, request, self._feed))
            else:
                request = conversation.next(answer)
        assert conversation.report is not None
        return conversation.report

    def _answer(self, request: LoadRequest) -> Any:
        match request:
            case AskNames():
                return self._feed.names()
            case Execute():
                with self._connection.begin_nested() if request.savepoint else nullcontext():
                    return _result(self._connection.execute(request.statement, request.parameters))
            case Run():
                with psycopg.Cursor(self._driver(), row_factory=tuple_row) as cursor:
                    cursor.execute(request.statement, prepare=False)
                return None
            case CopyRows():
                return self._copy(request)

    def _copy(self, request: CopyRows) -> Copied:
        driver = self._driver()
        encoder = _encoder(driver, request)
        with psycopg.Cursor(driver, row_factory=tuple_row) as cursor:
            with cursor.copy(request.statement) as copy:
                copy.write(SIGNATURE)
                while chunk := self._feed.take(encoder.block_rows):
                    copy.write(encoder.encode(chunk))
                    driver.wait(_flushed(driver.pgconn))
                    self._progress.report(encoder.rows)
                copy.write(TRAILER)
            self._progress.finish(encoder.rows)
            return Copied(encoder.rows, cursor.rowcount)

    def _driver(self) -> psycopg.Connection[Any]:
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        return driver


class AsyncLoader:
    """Does the same as :class:`Loader` on an asynchronous connection."""

    def __init__(
        self,
        connection: AsyncConnection,
        rows: AsyncRows,
        *,
        columns: Sequence[Any] | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        self._connection = connection
        self._feed = RowFeed(rows, columns)
        self._progress = ProgressReporter(progress, self._feed.total)

    async def run(self, recipe: Recipe) -> LoadReport:
        """Run a recipe to its end and return what it returns. Errors of the database arrive in it as pgvec's."""
        try:
            _check_transaction(await self._driver())
            async with self._connection.begin_nested():
                return await self._run(_Conversation(recipe))
        except _DRIVER_ERRORS as exc:
            error = _final(exc, self._feed)
            if error is exc:
                raise
            raise error from exc

    async def _run(self, conversation: _Conversation) -> LoadReport:
        request = conversation.next()
        while request is not None:
            try:
                answer = await self._answer(request)
            except _DRIVER_ERRORS as exc:
                request = conversation.next(error=_inner(exc, request, self._feed))
            else:
                request = conversation.next(answer)
        assert conversation.report is not None
        return conversation.report

    async def _answer(self, request: LoadRequest) -> Any:
        match request:
            case AskNames():
                return await self._feed.names_async()
            case Execute():
                async with self._connection.begin_nested() if request.savepoint else nullcontext():
                    return _result(await self._connection.execute(request.statement, request.parameters))
            case Run():
                async with psycopg.AsyncCursor(await self._driver(), row_factory=tuple_row) as cursor:
                    await cursor.execute(request.statement, prepare=False)
                return None
            case CopyRows():
                return await self._copy(request)

    async def _copy(self, request: CopyRows) -> Copied:
        driver = await self._driver()
        encoder = _encoder(driver, request)
        async with psycopg.AsyncCursor(driver, row_factory=tuple_row) as cursor:
            async with cursor.copy(request.statement) as copy:
                await copy.write(SIGNATURE)
                while chunk := await self._feed.take_async(encoder.block_rows):
                    await copy.write(encoder.encode(chunk))
                    await driver.wait(_flushed(driver.pgconn))
                    self._progress.report(encoder.rows)
                await copy.write(TRAILER)
            self._progress.finish(encoder.rows)
            return Copied(encoder.rows, cursor.rowcount)

    async def _driver(self) -> psycopg.AsyncConnection[Any]:
        driver = (await self._connection.get_raw_connection()).driver_connection
        assert isinstance(driver, psycopg.AsyncConnection)
        return driver


def _encoder(driver: psycopg.Connection[Any] | psycopg.AsyncConnection[Any], request: CopyRows) -> BlockEncoder:
    return BlockEncoder(
        request.columns,
        transformer=Transformer.from_context(driver),
        encoding=driver.info.encoding,
        timezone=driver.info.timezone,
        positions=request.positions,
    )


def _flushed(pgconn: PGconn) -> PQGen[None]:
    """Wait until the socket has taken what was written.

    psycopg 3.2 does so on macOS only: elsewhere libpq's buffer grows as long as rows are made faster than they are stored.
    """
    while pgconn.flush():
        while not (yield Wait.W):
            continue


def _result(result: sa.CursorResult[Any]) -> Result:
    return Result(list(result.all()), -1) if result.returns_rows else Result([], result.rowcount)


def _check_transaction(driver: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    if driver.autocommit:
        raise ConfigurationError(
            "A bulk load needs a transaction to undo a load that fails, and this connection is in autocommit mode: give a "
            "connection or engine without isolation_level='AUTOCOMMIT'"
        )


def _inner(exc: Exception, request: LoadRequest, feed: RowFeed) -> BaseException:
    """What a recipe learns of an error: the caller's own, from reading his rows, is none of its business."""
    if exc is feed.error:
        return exc
    error = as_load_error(exc, request.relation if isinstance(request, CopyRows) else None)
    if error is not exc:
        error.__cause__ = exc
    return error


def _final(exc: Exception, feed: RowFeed) -> BaseException:
    return exc if exc is feed.error else as_load_error(exc)
