"""A repository is a guest in the caller's session: it keeps to the session's rules and leaves it usable."""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from fix_database import Databases, sqlalchemy_url
from fix_repository import World
from sqlalchemy.ext.asyncio import AsyncConnection, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker
from support.models import Article, Base, article_rows, cosine_order, vectors

from pgvec import AsyncRepository, Repository, errors
from pgvec.orm import Embedding

QUERY = vectors(1, seed=99)[0]
ROWS = article_rows(40)
NEAREST = cosine_order(ROWS, QUERY)


class OtherBase(DeclarativeBase):
    pass


class Elsewhere(OtherBase):
    __tablename__ = "elsewhere"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[Any] = mapped_column(Embedding(8))


def ids(found: Any) -> list[int]:
    """The keys of the records found."""
    return [match.record.id for match in found]


@pytest.fixture
async def articles(world: World) -> Any:
    """A repository with forty committed articles."""
    await world.create_all(Base)
    await world.repository(Article).insert(ROWS)
    await world.commit()
    return world.repository(Article)


@pytest.fixture
def stored(engine: sa.Engine) -> sa.Engine:
    """An engine on a database with forty articles."""
    Base.metadata.create_all(engine)
    Repository(engine, Article).bulk_load(ROWS)
    return engine


def test_sessions_with_several_binds(stored: sa.Engine, databases: Databases, template_database: str) -> None:
    """A session that knows several databases searches and writes each model in its own."""
    name = databases.create(template_database)
    other = sa.create_engine(sqlalchemy_url(databases.url_of(name)))
    OtherBase.metadata.create_all(other)
    with Session(binds={Base: stored, OtherBase: other}) as session:
        there = Repository(session, Elsewhere)
        there.insert([{"id": 1, "embedding": QUERY}])
        assert ids(there.search(QUERY)) == [1]
        assert ids(Repository(session, Article).search(QUERY, limit=3)) == NEAREST[:3]
        assert there.bulk_load([{"id": 2, "embedding": -QUERY}]).inserted == 1
        assert there.upsert({"id": 2, "embedding": QUERY}) == [2]
        assert there.delete({"id": 2}) == 1
        session.rollback()
        assert there.count() == 0
        assert Repository(session, Article).count() == len(ROWS)
    other.dispose()
    databases.drop(name)


async def test_expire_on_commit(world: World, articles: Any) -> None:
    """After a commit found records are expired, or kept, as the session says."""
    for expires in (True, False):
        world.sync_session.expire_on_commit = expires
        record = (await articles.search(QUERY, limit=1))[0].record
        await world.commit()
        assert bool(sa.inspect(record).expired_attributes) is expires
        world.sync_session.expunge_all()


async def test_no_autoflush(world: World, articles: Any) -> None:
    """Where the caller switched autoflush off, a search flushes nothing."""
    world.session.add(Article(id=1000, title="pending", embedding=QUERY))
    with world.session.no_autoflush:
        assert 1000 not in ids(await articles.search(QUERY, limit=1))
        assert len(world.session.new) == 1
    assert ids(await articles.search(QUERY, limit=1)) == [1000]
    await world.rollback()


async def test_pending_changes_and_deletions_count(world: World, articles: Any) -> None:
    """Changed and deleted records are flushed before a search, like before any query of the session."""
    first = (await articles.search(QUERY, limit=1))[0].record
    first.embedding = -QUERY
    assert ids(await articles.search(QUERY, limit=1)) == [NEAREST[1]]
    await world.run(world.session.delete, first)
    assert await articles.count() == len(ROWS) - 1
    await world.rollback()
    assert ids(await articles.search(QUERY, limit=1)) == [NEAREST[0]]


def test_scoped_sessions(stored: sa.Engine) -> None:
    """A scoped_session stands for the session of its scope."""
    scoped = scoped_session(sessionmaker(stored))
    repository = Repository(scoped, Article)
    record = repository.search(QUERY, limit=1)[0].record
    assert record in scoped
    scoped.add(Article(id=1000, title="pending", embedding=QUERY))
    assert ids(repository.search(QUERY, limit=1)) == [1000]
    scoped.remove()
    assert ids(repository.search(QUERY, limit=1)) == NEAREST[:1]
    scoped.remove()


async def test_asynchronous_scoped_sessions(database_url: str, stored: sa.Engine) -> None:
    """An async_scoped_session stands for the session of its task."""
    engine = create_async_engine(sqlalchemy_url(database_url))
    scoped = async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.current_task)
    repository = AsyncRepository(scoped, Article)
    assert ids(await repository.search(QUERY, limit=2)) == NEAREST[:2]
    await scoped.remove()
    await engine.dispose()


async def test_savepoints(world: World, articles: Any) -> None:
    """Writes belong to the caller's savepoint: rolled back with it, kept with it."""
    for kept in (True, False):
        savepoint = await world.run(world.session.begin_nested)
        await articles.insert({"id": 1000, "title": "x", "embedding": QUERY})
        await articles.bulk_load([{"id": 1001, "title": "y", "embedding": QUERY}])
        assert ids(await articles.search(QUERY, limit=2)) == [1000, 1001]
        await world.run(savepoint.commit if kept else savepoint.rollback)
        assert await articles.count() == len(ROWS) + 2 * kept
        await articles.delete(Article.id >= 1000)
    await world.rollback()


async def test_refused_arguments_leave_the_transaction_alone(world: World, articles: Any) -> None:
    """What is refused before anything is sent undoes nothing."""
    await articles.insert({"id": 1000, "title": "x", "embedding": QUERY})
    for call in (
        lambda: articles.search([1.0]),
        lambda: articles.search(QUERY, where={"nothing": 1}),
        lambda: articles.insert({"nothing": 1}),
        lambda: articles.insert({"id": 1, "title": "duplicate"}),
        lambda: articles.bulk_load([{"id": 1, "title": "duplicate"}]),
        lambda: articles.get(10**6),
    ):
        with pytest.raises(errors.PgvecError):
            await call()
        assert ids(await articles.search(QUERY, limit=1)) == [1000]
    await world.rollback()


async def test_failed_statements_leave_the_session_usable(world: World, articles: Any) -> None:
    """After a search that the server refused, a rollback is enough, of the savepoint or of the transaction."""
    impossible = sa.cast(Article.title, sa.Integer) > 0
    savepoint = await world.run(world.session.begin_nested)
    with pytest.raises(errors.InvalidInputError):
        await articles.search(QUERY, where=impossible, exact=True)
    await world.run(savepoint.rollback)
    assert ids(await articles.search(QUERY, limit=1)) == NEAREST[:1]
    with pytest.raises(errors.InvalidInputError):
        await articles.search(QUERY, where=impossible)
    await world.rollback()
    assert ids(await articles.search(QUERY, limit=1)) == NEAREST[:1]


@pytest.mark.parametrize("on", ["session", "engine"])
async def test_lost_connections(world: World, articles: Any, database_url: str, on: str) -> None:
    """A connection that the server closed raises TransientQueryError; after a rollback, or the next time, all is well."""
    repository = world.repository(Article, bind=getattr(world, on))
    await repository.search(QUERY)
    with psycopg.connect(database_url, autocommit=True) as killer:
        killer.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(errors.TransientQueryError, match="again"):
        await repository.search(QUERY)
    await world.rollback()
    assert ids(await repository.search(QUERY, limit=1)) == NEAREST[:1]


async def test_the_guard_outlives_the_session(world: World, articles: Any) -> None:
    """Expunged and pickled records still explain that their embedding was not fetched; merging them loads nothing wrong."""
    record = (await articles.search(QUERY, limit=1))[0].record
    world.sync_session.expunge_all()
    with pytest.raises(errors.EmbeddingNotLoadedError):
        _ = record.embedding
    restored = pickle.loads(pickle.dumps(record))
    assert restored.title == record.title
    with pytest.raises(errors.EmbeddingNotLoadedError, match=r"Article\.embedding"):
        _ = restored.embedding
    restored.title = "merged"
    merged = await world.run(world.session.merge, restored)
    assert merged is not restored
    assert merged.title == "merged"
    await world.commit()
    kept = await articles.get(NEAREST[0], include_embedding=True)
    assert kept.title == "merged"
    np.testing.assert_allclose(kept.embedding, ROWS[NEAREST[0] - 1]["embedding"], rtol=1e-6)


async def test_an_embedding_can_be_set_unseen(world: World, articles: Any) -> None:
    """A record whose embedding was not fetched takes a new one, which is saved."""
    record = (await articles.search(QUERY, limit=1))[0].record
    record.embedding = QUERY
    await world.commit()
    found = await articles.search(QUERY, limit=1, include_embedding=True)
    assert found[0].distance == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found[0].record.embedding, QUERY, rtol=1e-6)


def test_autocommit(database_url: str, stored: sa.Engine) -> None:
    """On connections in autocommit mode each search and write is its own transaction; what needs one says so."""
    engine = sa.create_engine(sqlalchemy_url(database_url), isolation_level="AUTOCOMMIT")
    session = Session(engine)
    for bind in (engine, session):
        repository = Repository(bind, Article)
        assert ids(repository.search(QUERY, limit=3, where={"price": {"$gt": 0}}, ef_search=100)) == NEAREST[:3]
        assert repository.insert({"id": 1000, "title": "x"}) == [1000]
        assert repository.upsert({"id": 1000, "title": "y"}) == [1000]
        assert repository.update({"id": 1000, "title": "z"}) == 1
        with pytest.raises(errors.DuplicateRecordError):
            repository.insert({"id": 1000, "title": "again"})
        assert repository.delete({"id": 1000}) == 1
        with pytest.raises(errors.ConfigurationError, match="autocommit"):
            repository.bulk_load(ROWS)
    session.close()
    with engine.connect() as connection:
        Repository(connection, Article).search(QUERY, ef_search=100)
        assert connection.scalar(sa.text("SHOW hnsw.ef_search")) == "40"
    engine.dispose()


def test_echo(database_url: str, stored: sa.Engine, caplog: pytest.LogCaptureFixture) -> None:
    """An engine that logs its statements logs searches."""
    engine = sa.create_engine(sqlalchemy_url(database_url), echo=True)
    with caplog.at_level(logging.INFO, "sqlalchemy.engine.Engine"):
        found = Repository(engine, Article).search(QUERY, where=Article.price > 0, limit=3)
    assert ids(found) == NEAREST[:3]
    assert sum("pgvec_distance" in record.message for record in caplog.records) == 1
    engine.dispose()


def test_session_listeners(stored: sa.Engine) -> None:
    """Listeners to loaded records, of the session or of the mapper, hear of the records of a search."""
    heard: list[Any] = []
    with Session(stored) as session:
        sa.event.listen(session, "loaded_as_persistent", lambda _session, record: heard.append(record))
        found = Repository(session, Article).search(QUERY, limit=3)
        assert heard == found.records


@pytest.mark.parametrize("cursor", [psycopg.ClientCursor, psycopg.RawCursor])
def test_cursor_factories(database_url: str, stored: sa.Engine, cursor: Any) -> None:
    """Whatever cursor the caller's connections make, a search opens one of its own."""
    with Session(stored) as session:
        repository = Repository(session, Article)
        repository.search(QUERY)
        driver = session.connection().connection.driver_connection
        driver.cursor_factory = cursor
        driver.row_factory = psycopg.rows.dict_row
        assert ids(repository.search(QUERY, limit=3)) == NEAREST[:3]
        assert driver.cursor_factory is cursor
        assert driver.row_factory is psycopg.rows.dict_row
        driver.cursor_factory, driver.row_factory = psycopg.Cursor, psycopg.rows.tuple_row


def test_client_side_parameters(database_url: str, stored: sa.Engine) -> None:
    """An engine whose cursors put parameters in on the client searches and writes as others do."""
    engine = sa.create_engine(sqlalchemy_url(database_url), connect_args={"cursor_factory": psycopg.ClientCursor})
    repository = Repository(engine, Article)
    assert ids(repository.search(QUERY, limit=3, where={"title": {"$like": "Article%"}})) == NEAREST[:3]
    assert repository.insert({"id": 1000, "title": "100%", "embedding": QUERY}) == [1000]
    assert ids(repository.search(QUERY, limit=1)) == [1000]
    assert repository.bulk_load([{"id": 1001, "title": "x", "embedding": QUERY}]).inserted == 1
    engine.dispose()


def test_adapters_of_the_caller(database_url: str, stored: sa.Engine) -> None:
    """Where the caller registered pgvector's adapters, searches, writes and his own queries all work."""
    from pgvector.psycopg import register_vector

    engine = sa.create_engine(sqlalchemy_url(database_url))
    sa.event.listen(engine, "connect", lambda driver, _record: register_vector(driver))
    with Session(engine) as session:
        repository = Repository(session, Article)
        found = repository.search(QUERY, limit=2, include_embedding=True)
        assert ids(found) == NEAREST[:2]
        for match in found:
            assert match.record.embedding.dtype == np.float32
            np.testing.assert_allclose(match.record.embedding, ROWS[match.record.id - 1]["embedding"], rtol=1e-6)
        rows = repository.search(QUERY, limit=1, columns=("id", "embedding"))
        np.testing.assert_allclose(rows[0].record.embedding, found[0].record.embedding)
        assert repository.insert({"id": 1000, "title": "x", "embedding": QUERY}) == [1000]
        assert repository.bulk_load([{"id": 1001, "title": "x", "embedding": QUERY}]).inserted == 1
        own = session.connection().connection.driver_connection.execute("SELECT embedding FROM article").fetchone()
        assert not isinstance(own[0], str)
    engine.dispose()


async def test_bare_connections(world: World, articles: Any) -> None:
    """On a Connection a search begins the transaction that commit() and rollback() then end."""
    connection = await world.run(world.engine.connect)
    repository = world.repository(Article, bind=connection)
    await repository.search(QUERY)
    assert connection.in_transaction()
    await world.run(connection.commit)
    raw = await world.run(connection.get_raw_connection) if world.kind == "async" else connection.connection
    assert raw.driver_connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    async_ = isinstance(connection, AsyncConnection)
    transaction = await connection.begin() if async_ else connection.begin()
    await repository.insert({"id": 1000, "title": "x"})
    await world.run(transaction.rollback)
    assert await repository.count() == len(ROWS)
    await world.run(connection.close)


def test_threads_share_an_engine(stored: sa.Engine) -> None:
    """Eight threads search by one engine, with statements of many shapes, and each gets its own answer."""
    queries = vectors(80, seed=4)

    def search(number: int) -> bool:
        query, limit = queries[number], 1 + number % 9
        where = None if number % 2 else Article.price <= float(20 + number % 3)
        allowed = [row for row in ROWS if number % 2 or row["price"] <= 20 + number % 3]
        if number % 4 < 2:
            with Session(stored) as session:
                found = Repository(session, Article).search(query, limit=limit, where=where)
        else:
            found = Repository(stored, Article).search(query, limit=limit, where=where)
        return ids(found) == cosine_order(allowed, query)[:limit]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(search, range(len(queries))))


async def test_tasks_share_an_engine(database_url: str, stored: sa.Engine) -> None:
    """Twenty tasks search by one asynchronous engine, and each gets its own answer."""
    engine = create_async_engine(sqlalchemy_url(database_url))
    queries = vectors(20, seed=5)

    async def search(number: int) -> bool:
        answers = []
        for turn in range(3):
            limit = 1 + (number + turn) % 7
            where = {"price": {"$lte": 10 + number}}
            found = await AsyncRepository(engine, Article).search(queries[number], limit=limit, where=where)
            allowed = [row for row in ROWS if row["price"] <= 10 + number]
            answers.append(ids(found) == cosine_order(allowed, queries[number])[:limit])
        return all(answers)

    assert all(await asyncio.gather(*map(search, range(len(queries)))))
    await engine.dispose()


def wait_until_one_sleeps(url: str) -> None:
    """Wait for a connection that runs pg_sleep()."""
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    with psycopg.connect(url, autocommit=True) as observer:
        while observer.execute(asleep).fetchone() == (0,):
            time.sleep(0.01)


async def test_cancelled_searches(database_url: str, stored: sa.Engine) -> None:
    """A task that is cancelled in the middle of a search leaves an engine that goes on working."""
    engine = create_async_engine(sqlalchemy_url(database_url), pool_size=1, max_overflow=0)
    repository = AsyncRepository(engine, Article)
    await repository.search(QUERY)
    slow = sa.func.pg_sleep(30).cast(sa.Text) == ""
    task = asyncio.create_task(repository.search(QUERY, where=slow))
    await asyncio.to_thread(wait_until_one_sleeps, database_url)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ids(await repository.search(QUERY, limit=1)) == NEAREST[:1]
    await engine.dispose()
