"""Everything again through PgBouncer in transaction mode, where one server connection serves all clients in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from fix_database import sqlalchemy_url
from fix_repository import World
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from support.injection import canary_lives, fingerprint, plant_canary
from support.injection_cases import BY_METHOD, attack
from support.injection_cases import Base as InjectedBase
from support.models import Article, Base, article_rows, cosine_order, vectors

from pgvec import AsyncRepository, Repository, Strategy
from pgvec.errors import DuplicateRecordError

QUERY = vectors(1, seed=99)[0]
ROWS = article_rows(60)
DRIVER = {"prepare_threshold": None}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"limit": 50},
    {"where": {"category": "news"}},
    {"where": Article.price < 20, "ef_search": 90},
    {"exact": True},
    {"columns": ("id", "title"), "offset": 2},
]


@pytest.fixture
def pooled(pgbouncer: str) -> Iterator[sa.Engine]:
    """An engine through PgBouncer, whose driver prepares no statements."""
    engine = sa.create_engine(sqlalchemy_url(pgbouncer), connect_args=DRIVER, pool_size=3)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def settings(url: str) -> list[tuple[str, str]]:
    """Return all settings of the server connection that the next transaction gets."""
    with psycopg.connect(url, prepare_threshold=None) as connection:
        connection.execute("LOAD 'vector'")
        return connection.execute("SELECT name, setting FROM pg_settings ORDER BY name").fetchall()


def test_reads_and_writes(pooled: sa.Engine) -> None:
    """Searches and writes work as on a connection of one's own, each call in a transaction of its own."""
    repository = Repository(pooled, Article)
    assert repository.bulk_load(ROWS).inserted == len(ROWS)
    found = repository.search(QUERY, limit=5)
    assert [match.record.id for match in found] == cosine_order(ROWS, QUERY)[:5]
    assert repository.bulk_load(ROWS[:5], on_conflict="update").updated == 5
    assert repository.upsert({"id": 1, "title": "one"}) == [1]
    assert repository.update({"id": 2, "title": "two"}) == 1
    with pytest.raises(DuplicateRecordError):
        repository.insert({"id": 1, "title": "again"})
    assert repository.get(1).title == "one"
    assert repository.delete({"title": "two"}) == 1
    assert repository.count() == len(ROWS) - 1


def test_transactions_take_turns(pooled: sa.Engine) -> None:
    """Clients that share the server connection do not see what the other has not committed."""
    with Session(pooled) as first:
        Repository(first, Article).insert(ROWS)
        assert len(Repository(first, Article).search(QUERY)) == 10
        first.rollback()
    with Session(pooled) as second:
        found = Repository(second, Article).search(QUERY)
        assert (len(found), found.receipt.strategy) == (0, Strategy.COMPLETED)


def test_a_thousand_searches_leave_the_settings(pgbouncer: str, pooled: sa.Engine) -> None:
    """After a thousand searches of three clients the server connection has the settings that it had before."""
    Repository(pooled, Article).bulk_load(ROWS)
    before = settings(pgbouncer)
    for number in range(1_000):
        found = Repository(pooled, Article).search(QUERY, **OPTIONS[number % len(OPTIONS)])
        assert found.receipt.complete
    assert settings(pgbouncer) == before


async def test_asynchronous_clients(pgbouncer: str, pooled: sa.Engine) -> None:
    """Tasks that search at once share the server connection, and each gets its own answer."""
    Repository(pooled, Article).bulk_load(ROWS)
    engine = create_async_engine(sqlalchemy_url(pgbouncer), connect_args=DRIVER)
    queries = vectors(40, seed=3)
    answers = await asyncio.gather(*(AsyncRepository(engine, Article).search(query, limit=3) for query in queries))
    for query, found in zip(queries, answers, strict=True):
        assert [match.record.id for match in found] == cosine_order(ROWS, query)[:3]
    await engine.dispose()


async def test_hostile_texts(pgbouncer: str, pooled: sa.Engine, database_url: str) -> None:
    """No text in a parameter of the repository becomes SQL here either."""
    with psycopg.connect(database_url, autocommit=True) as observer, Session(pooled) as session:
        InjectedBase.metadata.create_all(pooled)
        plant_canary(observer)
        before = fingerprint(observer)
        world = World("sync", pooled, session)
        for cases in BY_METHOD.values():
            await attack(world, cases, payloads=7)
        assert canary_lives(observer)
        assert fingerprint(observer) == before
