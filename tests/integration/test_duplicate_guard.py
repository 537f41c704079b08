"""The duplicate guard: no pair within eps, whoever writes how, and nobody waits in a circle."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from fix_level import FULL
from support.models import Article, Base, article_rows, vectors

from pgvec import Repository
from pgvec.errors import InvalidOptionError, NearDuplicateError, TransientQueryError
from pgvec.execution.sqlstate import translated

# 2,000 inserts of each of 16 writers take two minutes: PGVEC_GUARD_INSERTS asks for them.
WRITERS, INSERTS = (16, int(os.environ.get("PGVEC_GUARD_INSERTS", "300"))) if FULL else (8, 60)


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """The functions of the schema ``pgvec`` are there."""
    return migrated_url


@pytest.fixture
def guarded(connection: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A connection on a database with a guarded table."""
    connection.execute("CREATE TABLE item (id int, part int, v vector(4), PRIMARY KEY (id, part))")
    connection.execute("SELECT pgvec.create_duplicate_guard('item', 'v', 0.1, 'l2')")
    return connection


def put(connection: psycopg.Connection, key: int, vector: str | None) -> None:
    connection.execute("INSERT INTO item VALUES (%s, 1, %s)", [key, vector])


def test_rows_within_eps_are_refused(guarded: psycopg.Connection) -> None:
    """On insert, update and within one statement; NULLs, the row itself and what is farther away pass."""
    put(guarded, 1, "[0,0,0,0]")
    put(guarded, 2, "[0,0,0,0.11]")
    put(guarded, 3, None)
    put(guarded, 4, None)
    with pytest.raises(psycopg.Error, match=r'\{"id": 5, "part": 1\} of public\.item is at a distance of 0') as refused:
        put(guarded, 5, "[0,0,0,0.099]")
    assert refused.value.sqlstate == "PV020"
    for statement in (
        "UPDATE item SET v = '[0,0,0,0.2]' WHERE id = 3",
        "INSERT INTO item VALUES (6, 1, '[5,5,5,5]'), (7, 1, '[5,5,5,5.05]')",
        "UPDATE item SET v = '[1,1,1,1]' WHERE id IN (3, 4)",
    ):
        with pytest.raises(psycopg.Error, match="guard allows none within"):
            guarded.execute(statement)
    guarded.execute("UPDATE item SET v = '[0,0,0,0.001]', part = 2 WHERE id = 1")
    guarded.execute("DELETE FROM item WHERE id = 2")
    put(guarded, 8, "[0,0,0,0.12]")


@pytest.mark.parametrize(("distance", "operator"), [("l2", "<->"), ("cosine", "<=>"), ("l1", "<+>")])
@pytest.mark.parametrize("kind", ["vector", "halfvec"])
def test_it_is_exact(connection: psycopg.Connection, distance: str, operator: str, kind: str) -> None:
    """Of many rows, exactly those are refused that comparing with every stored row would refuse."""
    connection.execute(f"CREATE TABLE t (id int PRIMARY KEY, v {kind}(6))")
    eps = {"l2": 0.9, "cosine": 0.08, "l1": 1.8}[distance]
    connection.execute("SELECT pgvec.create_duplicate_guard('t', 'v', %s, %s)", [eps, distance])
    refused = 0
    for key, vector in enumerate(vectors(150, dimensions=6, seed=3)):
        text = "[" + ",".join(map(str, vector)) + "]"
        query = f"SELECT count(*) FROM t WHERE v {operator} %s::{kind} <= %s"
        near = connection.execute(query, [text, eps]).fetchone()
        try:
            connection.execute("INSERT INTO t VALUES (%s, %s)", [key, text])
            state = None
        except psycopg.Error as exc:
            state = exc.sqlstate
        assert state == (None if near == (0,) else "PV020")
        refused += state is not None
    assert 10 < refused < 140


def test_concurrent_writers(guarded: psycopg.Connection, database_url: str) -> None:
    """Writers that write near each other at the same time, in transactions of one to three rows: no pair within eps, no deadlock."""
    failures: list[str] = []
    start = threading.Barrier(WRITERS)

    def write(writer: int) -> None:
        rng = np.random.default_rng(writer)
        with psycopg.connect(database_url, autocommit=True) as own:
            start.wait()
            for number in range(0, INSERTS, 3):
                try:
                    with own.transaction():
                        for key in range(number, min(number + 3, INSERTS)):
                            vector = "[" + ",".join(f"{x:.4f}" for x in rng.uniform(0, 2, 4)) + "]"
                            try:
                                with own.transaction():
                                    own.execute("INSERT INTO item VALUES (%s, %s, %s)", [key, writer, vector])
                            except psycopg.Error as exc:
                                if exc.sqlstate != "PV020":
                                    raise
                except psycopg.Error as exc:
                    failures.append(f"{exc.sqlstate}: {exc}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    stored = guarded.execute("SELECT count(*) FROM item").fetchone()
    assert stored is not None
    assert stored[0] > WRITERS * INSERTS // 4
    pairs = guarded.execute(
        "SELECT count(*) FROM item a JOIN item b ON (a.id, a.part) < (b.id, b.part) AND a.v <-> b.v <= 0.1"
    ).fetchone()
    assert pairs == (0,)


def test_an_old_snapshot_is_told(guarded: psycopg.Connection, database_url: str) -> None:
    """A transaction that cannot see what others committed fails as one that has to be run again, instead of letting a pair in."""
    with psycopg.connect(database_url) as own:
        own.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        own.execute("SELECT 1 FROM item")
        put(guarded, 1, "[1,1,1,1]")
        with pytest.raises(psycopg.errors.SerializationFailure):
            put(own, 2, "[1,1,1,1.01]")


def test_what_a_writer_needs(guarded: psycopg.Connection, database_url: str, login_role: str) -> None:
    """INSERT and SELECT on the table; nothing in the schema ``pgvec``."""
    guarded.execute(f"GRANT INSERT, SELECT ON item TO {login_role}")
    url = sa.make_url(database_url).set(username=login_role, password=login_role).render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as own:
        put(own, 1, "[1,1,1,1]")
        with pytest.raises(psycopg.Error, match="guard allows none"):
            put(own, 2, "[1,1,1,1.01]")
    guarded.execute(f"REVOKE ALL ON item FROM {login_role}")


def test_from_python(engine: sa.Engine) -> None:
    """Writes of every kind raise one error, which names both records; nothing of them is stored."""
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pgvec.create_duplicate_guard('article', 'embedding', 0.01)"))
    articles = Repository[Article](engine, Article)
    rows = article_rows(3)
    articles.insert(rows)
    twin = {**rows[0], "id": 9}
    for write in (articles.insert, articles.bulk_load, articles.upsert):
        with pytest.raises(NearDuplicateError) as refused:
            write([twin])
        assert (refused.value.key, refused.value.near) == ('{"id": 9}', '{"id": 1}')
        assert refused.value.distance == pytest.approx(0.0, abs=1e-6)
    assert articles.count() == 3
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as old:
        old.execute(sa.text("SELECT 1"))
        articles.insert({**article_rows(5)[4], "id": 20})
        with pytest.raises(TransientQueryError):
            Repository(old, Article).insert(twin)
    wrong = sa.text("SELECT pgvec.create_duplicate_guard('article', 'embedding', 0.1, 'inner_product')")
    with engine.begin() as connection, pytest.raises(InvalidOptionError, match="triangle"), translated():
        connection.execute(wrong)


def test_partitions_renames_and_the_way_back(connection: psycopg.Connection) -> None:
    """Rows of different partitions are compared, the table may be renamed, and a guard that is dropped leaves nothing."""
    connection.execute("CREATE TABLE whole (id int PRIMARY KEY, v vector(2)) PARTITION BY RANGE (id)")
    connection.execute("CREATE TABLE low PARTITION OF whole FOR VALUES FROM (0) TO (10)")
    connection.execute("CREATE TABLE high PARTITION OF whole FOR VALUES FROM (10) TO (20)")
    connection.execute("SELECT pgvec.create_duplicate_guard('whole', 'v', 0.5, 'l2')")
    connection.execute('ALTER TABLE whole RENAME TO "Who le"')
    connection.execute("""INSERT INTO "Who le" VALUES (1, '[1,1]')""")
    with pytest.raises(psycopg.Error, match="guard allows none"):
        connection.execute("""INSERT INTO "Who le" VALUES (11, '[1,1.2]')""")
    assert connection.execute("""SELECT pgvec.drop_duplicate_guard('"Who le"', 'v')""").fetchone() == (True,)
    assert connection.execute("""SELECT pgvec.drop_duplicate_guard('"Who le"', 'v')""").fetchone() == (False,)
    connection.execute("""INSERT INTO "Who le" VALUES (11, '[1,1.2]')""")
    assert connection.execute("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgvec_guard%'").fetchone() == (0,)
    for statement in (
        "SELECT pgvec.create_duplicate_guard('\"Who le\"', 'id', 0.5)",
        "SELECT pgvec.create_duplicate_guard('\"Who le\"', 'v', -1)",
        "SELECT pgvec.create_duplicate_guard('\"Who le\"', 'v', 'NaN')",
    ):
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(statement)
        assert refused.value.sqlstate == "PV021"
