"""Kills an index build at a chosen point while others write, and looks at what the next run makes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from sqlalchemy import BigInteger, Column, MetaData, NullPool, Table, create_engine

from pgvec.execution.index_build import build_index
from pgvec.execution.url import engine_url
from pgvec.orm import Embedding, HnswIndex

DIMENSIONS = 32
ROWS = 3_000
SECONDS = 60
WRITES_PER_SECOND = 200

TABLE = Table(
    "item",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("v", Embedding(DIMENSIONS, distance="l2")),
    HnswIndex("v", name="item_v", m=16, ef_construction=64, postgresql_concurrently=True),
)
(INDEX,) = TABLE.indexes

# What a user's script does.
CLIENT = """
import sys
from sqlalchemy import NullPool, create_engine
from support.index_faults import INDEX
from pgvec.execution.index_build import build_index

build_index(create_engine(sys.argv[1], poolclass=NullPool), INDEX)
"""


def fill(url: str) -> None:
    """Make the table with some rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS item")
        connection.execute(f"CREATE TABLE item (id bigserial PRIMARY KEY, v vector({DIMENSIONS}))")
        connection.execute(
            "INSERT INTO item (v) SELECT (SELECT array_agg(random())::real[]::vector FROM generate_series(1, %s) WHERE i > 0)"
            " FROM generate_series(1, %s) AS i",
            (DIMENSIONS, ROWS),
        )
        connection.execute("ANALYZE item")


def build(url: str) -> bool:
    """Run the build to its end in this process."""
    return build_index(create_engine(engine_url(url), poolclass=NullPool), INDEX)


def indexes(url: str) -> list[tuple[str, bool]]:
    """Return the vector indexes of the table, and whether they are valid."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT i.relname, x.indisvalid FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid"
            " WHERE x.indrelid = 'item'::regclass AND NOT x.indisprimary ORDER BY 1"
        ).fetchall()


@dataclass
class Writer:
    """Inserts and updates rows one by one until it is stopped."""

    url: str
    writes: int = 0
    longest: float = 0.0
    errors: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[Writer]:
        """Write within the block."""
        stop = threading.Event()
        thread = threading.Thread(target=self._write, args=(stop,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join(SECONDS)

    def _write(self, stop: threading.Event) -> None:
        vector = str([0.5] * DIMENSIONS)
        while not stop.is_set():
            try:
                with psycopg.connect(self.url, autocommit=True) as connection:
                    while not stop.wait(1 / WRITES_PER_SECOND):
                        began = time.monotonic()
                        if self.writes % 2:
                            connection.execute("UPDATE item SET v = %s WHERE id = %s", (vector, 1 + self.writes % 500))
                        else:
                            connection.execute("INSERT INTO item (v) VALUES (%s)", (vector,))
                        self.longest = max(self.longest, time.monotonic() - began)
                        self.writes += 1
            except psycopg.Error as error:
                self.errors.append(str(error).strip())
                time.sleep(0.1)


class Watch:
    """Looks at the build as fast as it can."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)

    def row(self) -> tuple[int, str, int, int] | None:
        return self.connection.execute(
            "SELECT pid, phase, tuples_done, tuples_total FROM pg_stat_progress_create_index"
            " WHERE relid = 'item'::regclass AND datname = current_database()"
        ).fetchone()

    def until(self, wanted: Callable[[str, int, int], bool], client: subprocess.Popen[bytes]) -> str:
        """Return the phase once the build is where it is wanted, or what it was when it ended before."""
        seen = "none"
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            row = self.row()
            if row is not None:
                seen = row[1]
                if wanted(*row[1:]):
                    return seen
            if client.poll() is not None:
                return f"ended after {seen}"
        message = f"the build did not come further than {seen}"
        raise AssertionError(message)


def hold(stack: ExitStack, url: str, *statements: str) -> psycopg.Connection:
    """Open a transaction that stays in the way until it is rolled back."""
    connection = psycopg.connect(url, autocommit=True)
    stack.callback(connection.close)
    for statement in ("BEGIN", *statements):
        connection.execute(statement)
    return connection


WRITE = "UPDATE item SET id = id WHERE id = 1"
SNAPSHOT = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM item")


def at_start(watch: Watch, client: subprocess.Popen[bytes], url: str, stack: ExitStack) -> str:
    """The client has connected, and has not begun."""
    return watch.until(lambda *_: True, client)


def before_building(watch: Watch, client: subprocess.Popen[bytes], url: str, stack: ExitStack) -> str:
    return watch.until(lambda phase, *_: phase == "waiting for writers before build", client)


def early(watch: Watch, client: subprocess.Popen[bytes], url: str, stack: ExitStack) -> str:
    return watch.until(lambda phase, done, _total: phase.startswith("building index") and done > 0, client)


def late(watch: Watch, client: subprocess.Popen[bytes], url: str, stack: ExitStack) -> str:
    return watch.until(lambda phase, done, _total: phase.startswith("building index") and done > ROWS * 0.6, client)


def before_validation(watch: Watch, client: subprocess.Popen[bytes], url: str, stack: ExitStack) -> str:
    early(watch, client, url, stack)
    hold(stack, url, WRITE)
    return watch.until(lambda phase, *_: phase == "waiting for writers before validation", client)


def in_validation(watch: Watch, client: subprocess.Popen[bytes], url: str, stack: ExitStack) -> str:
    early(watch, client, url, stack)
    holder = hold(stack, url, WRITE)
    watch.until(lambda phase, *_: phase == "waiting for writers before validation", client)
    holder.rollback()
    return watch.until(lambda phase, *_: "validation:" in phase or "snapshots" in phase, client)


def before_the_end(watch: Watch, client: subprocess.Popen[bytes], url: str, stack: ExitStack) -> str:
    return watch.until(lambda phase, *_: phase == "waiting for old snapshots", client)


POINTS = [at_start, before_building, early, late, before_validation, in_validation, before_the_end]


def kill_client(client: subprocess.Popen[bytes], watch: Watch) -> None:
    """The machine that asked for the index is gone; its server process notices late, or finishes."""
    client.kill()


def terminate_backend(client: subprocess.Popen[bytes], watch: Watch) -> None:
    """An administrator ends the server process."""
    row = watch.row()
    if row is not None:
        watch.connection.execute("SELECT pg_terminate_backend(%s)", (row[0],))


def stop_server(client: subprocess.Popen[bytes], watch: Watch) -> None:
    """The server stops as in a crash."""
    folder = watch.connection.execute("SHOW data_directory").fetchone()[0]
    postmaster = int(Path(folder, "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGQUIT)
    while Path(f"/proc/{postmaster}").exists() or Path(folder, "postmaster.pid").exists():
        time.sleep(0.02)


Kill = Callable[[subprocess.Popen[bytes], Watch], None]
Point = Callable[[Watch, subprocess.Popen[bytes], str, ExitStack], str]


def kill_build(url: str, point: Point, kill: Kill) -> str:
    """Start a build in another process, kill it at a point, and return the phase that it was in."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with ExitStack() as stack:
        watch = Watch(url)
        stack.callback(watch.connection.close)
        if point is before_building:
            hold(stack, url, WRITE)
        if point is before_the_end:
            hold(stack, url, *SNAPSHOT)
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, engine_url(url).render_as_string(hide_password=False)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(client.wait, SECONDS)
        stack.callback(client.kill)
        phase = point(watch, client, url, stack)
        kill(client, watch)
        with suppress(subprocess.TimeoutExpired):
            client.wait(None if kill is kill_client else 2)
        client.kill()
    return phase
