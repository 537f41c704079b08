"""The two doors to syncs, for programs and for people."""

from __future__ import annotations

from typing import Any

import pytest
from fix_database import sqlalchemy_url
from fix_repository import Awaitable
from fix_sync import ARTICLE, NAME, SYNC, SyncedTable
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from pgvec.embedding_sync import AsyncSyncs, Syncs
from pgvec.errors import SyncError, SyncTimeoutError


@pytest.fixture(params=["sync", "async"])
async def syncs(request: pytest.FixtureRequest, synced: SyncedTable) -> Any:
    """The syncs of a database with an article table, in both worlds."""
    synced.sql(ARTICLE)
    url = sqlalchemy_url(synced.url)
    if request.param == "sync":
        engine = create_engine(url)
        yield Awaitable(Syncs(engine))
        engine.dispose()
        return
    async_engine = create_async_engine(url)
    yield AsyncSyncs(async_engine)
    await async_engine.dispose()


async def test_a_sync_lives_and_ends(syncs: Any, synced: SyncedTable) -> None:
    """Declared, paused, resumed, reconciled, retried, waited for and dropped: each does what it says."""
    assert await syncs.create(SYNC) == [NAME]
    synced.sql("INSERT INTO article (title) VALUES ('x')")
    await syncs.pause(NAME)
    (status,) = await syncs.status()
    assert (status.name, status.paused, status.backlog) == (NAME, True, 1)
    await syncs.resume(NAME)
    with pytest.raises(SyncTimeoutError, match="1 rows of") as caught:
        await syncs.wait_until_synced(NAME, timeout_seconds=0)
    assert caught.value.backlog == await syncs.backlog(NAME) == 1
    synced.drain()
    await syncs.wait_until_synced(NAME, timeout_seconds=0)
    assert await syncs.reconcile(NAME) == 0
    assert await syncs.retry(NAME) == 0
    await syncs.drop(NAME)
    assert await syncs.status() == ()
    with pytest.raises(SyncError, match="no embedding sync"):
        await syncs.backlog(NAME)


def test_a_declaration_belongs_to_the_callers_transaction(synced: SyncedTable) -> None:
    """On a connection nothing is committed: rolled back, neither sync nor triggers are there."""
    synced.sql(ARTICLE)
    with synced.engine.connect() as connection:
        Syncs(connection).create(SYNC)
        connection.rollback()
    assert synced.syncs.status() == ()
    assert synced.sql("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgvec%'") == [(0,)]
