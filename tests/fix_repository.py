"""One suite for both repositories: behaviour tests are written once, asynchronously, and run on each through ``world``."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fix_database import sqlalchemy_url
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from pgvec import AsyncRepository, Repository


class Awaitable:
    """Wraps a synchronous object so that its methods can be awaited."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._wrapped, name)
        if not callable(attribute):
            return attribute

        @functools.wraps(attribute)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return attribute(*args, **kwargs)

        return call


class World:
    """A database with a session, and repositories on it, in one of the two worlds."""

    def __init__(self, kind: str, engine: Any, session: Any) -> None:
        self.kind = kind
        self.engine = engine
        self.session = session
        self.sync_session: Session = session if kind == "sync" else session.sync_session

    def repository(self, model: Any, *, bind: Any = None, **options: Any) -> Any:
        """Return a repository whose methods are awaited, on the session or another bind."""
        if self.kind == "sync":
            return Awaitable(Repository(bind or self.session, model, **options))
        return AsyncRepository(bind or self.session, model, **options)

    async def run(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a method of the session or engine, awaiting it where it has to be."""
        result = method(*args, **kwargs)
        return await result if self.kind == "async" else result

    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Execute a statement on the session."""
        return await self.run(self.session.execute, statement, parameters)

    async def create_all(self, base: Any) -> None:
        """Create the tables of a declarative base and commit."""
        connection = await self.run(self.session.connection)
        if self.kind == "sync":
            base.metadata.create_all(connection)
        else:
            await connection.run_sync(base.metadata.create_all)
        await self.commit()

    async def commit(self) -> None:
        """Commit the session."""
        await self.run(self.session.commit)

    async def rollback(self) -> None:
        """Roll the session back."""
        await self.run(self.session.rollback)


@pytest.fixture(params=["sync", "async"])
async def world(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[World]:
    """A fresh database with the extension, seen through the synchronous and the asynchronous API in turn."""
    url = sqlalchemy_url(database_url)
    if request.param == "sync":
        engine = create_engine(url)
        with Session(engine) as session:
            yield World("sync", engine, session)
        engine.dispose()
        return
    async_engine = create_async_engine(url)
    async with AsyncSession(async_engine) as async_session:
        yield World("async", async_engine, async_session)
    await async_engine.dispose()
