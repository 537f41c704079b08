"""Building an index online: watched, resumable, and done only when the catalog says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from fix_database import sqlalchemy_url
from sqlalchemy import Column as SAColumn
from sqlalchemy import Engine, Integer, MetaData, NullPool, Table, create_engine

from pgvec.errors import InvalidOptionError, MappingMismatchError, PgvecError
from pgvec.execution.index_build import BuildProgress, build_index
from pgvec.orm import Embedding, HnswIndex

TABLE = Table(
    "Item List",
    MetaData(),
    SAColumn("id", Integer, primary_key=True),
    SAColumn("v", Embedding(3, distance="l2")),
    HnswIndex("v", name="Item Index", postgresql_concurrently=True),
)
INDEX = next(iter(TABLE.indexes))
SECONDS = 60


@pytest.fixture
def table_engine(connection: psycopg.Connection, database_url: str) -> Engine:
    """An engine on a database with a table of 2,000 rows."""
    connection.execute(
        """CREATE TABLE "Item List" (id int PRIMARY KEY, v vector(3));
        INSERT INTO "Item List" SELECT n, ARRAY[n, n % 7, 1]::vector FROM generate_series(1, 2000) n"""
    )
    return create_engine(sqlalchemy_url(database_url), poolclass=NullPool)


def state(connection: psycopg.Connection) -> tuple[int, bool] | None:
    """Return the identity of the index and whether it is valid."""
    return connection.execute(
        "SELECT indexrelid::int, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = 'Item Index'"
    ).fetchone()


@contextmanager
def open_writer(url: str) -> Iterator[psycopg.Connection]:
    """Hold a transaction that has written to the table: a build has to wait for it."""
    with psycopg.connect(url) as writer:
        writer.execute('UPDATE "Item List" SET id = id WHERE id = 1')
        yield writer


def test_it_builds_once(table_engine: Engine, connection: psycopg.Connection):
    """The first call builds a valid index, the second finds it."""
    assert build_index(table_engine, INDEX) is True
    built = state(connection)
    assert built is not None
    assert built[1]
    assert build_index(table_engine, INDEX) is False
    assert state(connection) == built


def test_an_invalid_leftover_is_replaced(table_engine: Engine, connection: psycopg.Connection):
    """What a killed build left behind is dropped, and another index takes its name."""
    build_index(table_engine, INDEX)
    before = state(connection)
    connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s", (before[0],))
    assert build_index(table_engine, INDEX) is True
    after = state(connection)
    assert after[1]
    assert after[0] != before[0]


def test_a_build_of_another_process_is_waited_for(
    table_engine: Engine, connection: psycopg.Connection, database_url: str
):
    """While somebody else builds, the call only watches; it returns when that index is valid."""
    other = threading.Thread(target=build_index, args=(table_engine, INDEX))
    watching = threading.Event()
    results: list[bool] = []

    def watch() -> None:
        results.append(build_index(table_engine, INDEX, progress=lambda _: watching.set()))

    with open_writer(database_url) as writer:
        other.start()
        while state(connection) is None:
            assert other.is_alive()
        watcher = threading.Thread(target=watch)
        watcher.start()
        assert watching.wait(SECONDS)
        assert state(connection)[1] is False
        writer.rollback()
    for thread in (other, watcher):
        thread.join(SECONDS)
        assert not thread.is_alive()
    assert results == [False]
    assert state(connection)[1] is True


def test_an_interruption_cancels_the_build(table_engine: Engine, connection: psycopg.Connection, database_url: str):
    """Ctrl-C ends the build on the server too; the next call ends with a valid index."""

    def interrupt(_progress: BuildProgress) -> None:
        raise KeyboardInterrupt

    with open_writer(database_url), pytest.raises(KeyboardInterrupt):
        build_index(table_engine, INDEX, progress=interrupt)
    running = connection.execute(
        "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
    ).fetchone()
    assert running == (0,)
    assert state(connection)[1] is False
    assert build_index(table_engine, INDEX) is True
    assert state(connection)[1] is True


def test_a_terminated_backend_is_an_error_and_no_end(
    table_engine: Engine, connection: psycopg.Connection, database_url: str
):
    """When the building connection is killed the call raises; the next one ends with a valid index."""

    def kill(_progress: BuildProgress) -> None:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index WHERE datname = current_database()"
        )

    with open_writer(database_url), pytest.raises(PgvecError):
        build_index(table_engine, INDEX, progress=kill)
    assert build_index(table_engine, INDEX) is True
    assert state(connection)[1] is True


def test_progress_tells_phase_and_units(table_engine: Engine, connection: psycopg.Connection, database_url: str):
    """The callback hears what Postgres does, while the build waits for a writer and afterwards."""
    heard: list[BuildProgress] = []
    with open_writer(database_url) as writer:

        def listen(progress: BuildProgress) -> None:
            heard.append(progress)
            writer.rollback()

        build_index(table_engine, INDEX, progress=listen)
    assert heard
    assert heard[0].phase
    assert state(connection)[1] is True


def test_a_blocking_index_is_refused(table_engine: Engine):
    """An index that is not declared to be built concurrently would block writers."""
    table = Table("item", MetaData(), SAColumn("v", Embedding(3)), HnswIndex("v"))
    with pytest.raises(InvalidOptionError, match="postgresql_concurrently"):
        build_index(table_engine, next(iter(table.indexes)))


def test_a_missing_table_is_an_error(engine: Engine):
    """There is nothing to build an index on: pgvec's error says so."""
    with pytest.raises(MappingMismatchError):
        build_index(engine, INDEX)
