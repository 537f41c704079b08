"""The two doors to syncs, for programs and for people."""

from __future__ import annotations

from typing import Any

import pytest
from fix_database import sqlalchemy_url
from fix_repository import Awaitable
from fix_sync import ARTICLE, NAME, SYNC, SyncedTable
from sqlalchemy import Column, Integer, MetaData, Table, create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from support.content_embedder import DIMENSIONS

from pgvec import AsyncRepository, Repository
from pgvec.embedding_sync import AsyncSyncs, EmbeddingSync, Syncs
from pgvec.errors import InvalidOptionError, SyncError, SyncTimeoutError
from pgvec.orm import Embedding

ODD = Table(
    "my article %",
    MetaData(schema="Odd"),
    Column("id", Integer, primary_key=True),
    Column("a vec", Embedding(DIMENSIONS)),
)


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


async def test_a_repository_waits_for_its_table(synced: SyncedTable) -> None:
    """In both worlds: without a sync it is refused, with rows that wait it times out, and drained it returns at once."""
    synced.sql('CREATE SCHEMA "Odd"')
    synced.sql(f'CREATE TABLE "Odd"."my article %" (id integer PRIMARY KEY, title text, "a vec" vector({DIMENSIONS}))')
    async_engine = create_async_engine(sqlalchemy_url(synced.url))
    both: tuple[Any, ...] = (Awaitable(Repository(synced.engine, ODD)), AsyncRepository(async_engine, ODD))
    for repository in both:
        with pytest.raises(SyncError, match="No embedding sync keeps a vec"):
            await repository.wait_until_synced()
        for wrong in (-1, float("nan"), "1", True):
            with pytest.raises(InvalidOptionError, match="timeout_seconds"):
                await repository.wait_until_synced(timeout_seconds=wrong)
    sync = EmbeddingSync("my article %", ["title"], "a vec", "content", schema="Odd", name="named")
    synced.syncs.create(sync)
    for n, repository in enumerate(both):
        synced.sql("""INSERT INTO "Odd"."my article %%" VALUES (%s, 'x')""", n)
        with pytest.raises(SyncTimeoutError, match="1 rows of") as caught:
            await repository.wait_until_synced(timeout_seconds=0)
        assert caught.value.backlog == 1
        synced.drain()
        await repository.wait_until_synced(timeout_seconds=0)
    await async_engine.dispose()


def test_a_declaration_belongs_to_the_callers_transaction(synced: SyncedTable) -> None:
    """On a connection nothing is committed: rolled back, neither sync nor triggers are there."""
    synced.sql(ARTICLE)
    with synced.engine.connect() as connection:
        Syncs(connection).create(SYNC)
        connection.rollback()
    assert synced.syncs.status() == ()
    assert synced.sql("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgvec%'") == [(0,)]
