"""``make bench-sync``: a worker beside a plain batched UPDATE, claims from a long queue, and loads with capture."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
import psycopg
import sqlalchemy as sa
from numpy.typing import NDArray

from benchmarks.environment import describe_environment
from benchmarks.measure import settle
from benchmarks.server import checkpoint, fresh_database
from pgvec.embedding_sync import EmbeddingSync, Syncs, Worker, WorkerOptions
from pgvec.execution import migrate
from pgvec.execution.session import SessionDriver
from pgvec.model import InputKind, InputRole
from pgvec.operations import embedding_sync as recipes
from pgvec.orm.values import as_array, to_text

__all__ = ["main"]

_DIMENSIONS = 384
_BATCH = WorkerOptions().batch_size
_TEXT = "'title ' || n, repeat('some words of a body ', 12) || n"
LEAST_SHARE = 0.25
MOST_CLAIM_RATIO = 10.0
MOST_SLOWDOWN = 1.3


class FreeEmbedder:
    """Costs nothing: hands out vectors that are there."""

    name, revision, dimensions = "free", "1", _DIMENSIONS
    kinds = frozenset({InputKind.TEXT})

    def __init__(self) -> None:
        self.vectors = np.random.default_rng(1).standard_normal((_BATCH, _DIMENSIONS), dtype=np.float32)

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        """Return as many vectors as there are inputs."""
        del role
        return self.vectors[: len(inputs)]


class Bench:
    """One database, and what is measured in it."""

    def __init__(self, conninfo: str, *, rows: int, backlog: int, load: int, rounds: int) -> None:
        self.conninfo = conninfo
        self.connection = psycopg.connect(conninfo, autocommit=True)
        url = "postgresql+psycopg://"
        self.engine = sa.create_engine(url, creator=lambda: psycopg.connect(conninfo, prepare_threshold=None))
        self.embedder = FreeEmbedder()
        self.rows, self.backlog, self.load, self.rounds = rows, backlog, load, rounds
        self.syncs = Syncs(self.engine)

    def table(self, *, synced: bool) -> None:
        """Make an empty table anew."""
        for (name,) in self.connection.execute("SELECT name FROM pgvec.embedding_sync").fetchall():
            self.syncs.drop(name)
        self.connection.execute("DROP TABLE IF EXISTS article")
        self.connection.execute(
            "CREATE TABLE article (id bigint PRIMARY KEY, title text, body text, embedding vector(384))"
        )
        if synced:
            self.syncs.create(
                EmbeddingSync(table="article", source=("title", "body"), column="embedding", embedder="free")
            )

    def fill(self, rows: int) -> None:
        """Write rows without embeddings."""
        self.connection.execute(f"INSERT INTO article SELECT n, {_TEXT} FROM generate_series(1, %s) AS n", (rows,))
        self.connection.execute("ANALYZE article")
        checkpoint(self.conninfo)

    def timed(self, work: Callable[[], object]) -> float:
        """Return the seconds that work takes."""
        settle()
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    def update(self) -> float:
        """Write the same vectors by batches, each a statement and a transaction."""
        self.table(synced=False)
        self.fill(self.rows)
        statement = (
            "UPDATE article SET embedding = v.e::vector FROM unnest(%s::bigint[], %s::text[]) AS v(id, e)"
            " WHERE article.id = v.id"
        )

        # Made before: what is compared with is the writing alone.
        texts = [to_text(as_array(vector)) for vector in self.embedder.vectors]

        def run() -> None:
            for first in range(1, self.rows + 1, _BATCH):
                keys = list(range(first, min(first + _BATCH, self.rows + 1)))
                self.connection.execute(statement, (keys, texts[: len(keys)]))

        return self.timed(run)

    def work(self) -> float:
        """Let one worker do it."""
        self.table(synced=True)
        self.fill(self.rows)
        done = []
        seconds = self.timed(
            lambda: done.append(Worker(self.engine, {"free": self.embedder}, WorkerOptions()).run_once())
        )
        assert done[0].written == self.rows, done
        return seconds

    def claims(self) -> tuple[float, float, float]:
        """Return the milliseconds of a claim from an empty queue, of one row from a long one, and of a batch."""
        self.table(synced=True)
        driver = SessionDriver(self.engine)
        (task,) = driver.run(recipes.tasks(["free"]), recipes.PLACE)
        driver.run(recipes.begin_worker(uuid4(), "benchmark", 1), recipes.PLACE)

        def claim(size: int) -> float:
            recipe = recipes.claim(task, size=size, lease_seconds=600, max_attempts=5)
            return 1000 * self.timed(lambda: driver.run(recipe, recipes.PLACE))

        claim(1)
        empty = statistics.median(claim(_BATCH) for _ in range(30))
        self.fill(self.backlog)
        while driver.run(recipes.claim(task, size=1, lease_seconds=600, max_attempts=5), recipes.PLACE):
            # Until every key of the load has been moved out of its array.
            left = self.connection.execute("SELECT count(*) FROM pgvec.embedding_batch").fetchone()
            if left == (0,):
                break
            self.connection.execute("SELECT pgvec._expand_v1(s) FROM pgvec.embedding_sync AS s")
        self.connection.execute("ANALYZE pgvec.embedding_outbox")
        one = statistics.median(claim(1) for _ in range(30))
        return empty, one, statistics.median(claim(_BATCH) for _ in range(30))

    def load_seconds(self, *, synced: bool) -> float:
        """Copy rows in."""
        self.table(synced=synced)
        lines = [(n, f"title {n}", f"{'some words of a body ' * 12}{n}") for n in range(self.load)]

        def run() -> None:
            with (
                self.connection.cursor() as cursor,
                cursor.copy("COPY article (id, title, body) FROM STDIN") as copy,
            ):
                for line in lines:
                    copy.write_row(line)

        checkpoint(self.conninfo)
        return self.timed(run)

    def measure(self) -> dict[str, object]:
        """Measure everything, each pair side by side."""
        pairs = [(self.update(), self.work()) for _ in range(self.rounds)]
        update, work = (self.rows / statistics.median(column) for column in zip(*pairs, strict=True))
        empty, one, batch = self.claims()
        loads = [(self.load_seconds(synced=False), self.load_seconds(synced=True)) for _ in range(self.rounds)]
        plain, captured = (statistics.median(column) for column in zip(*loads, strict=True))
        return {
            "update_rows_per_second": round(update),
            "worker_rows_per_second": round(work),
            "worker_share": round(work / update, 3),
            "claim_empty_ms": round(empty, 3),
            "claim_one_ms": round(one, 3),
            "claim_batch_ms": round(batch, 3),
            "claim_ratio": round(one / empty, 2),
            "load_seconds": round(plain, 3),
            "load_captured_seconds": round(captured, 3),
            "load_ratio": round(captured / plain, 3),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(prog="make bench-sync")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--backlog", type=int, default=100_000)
    parser.add_argument("--load", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--url", default=None, help="a server to measure on; an embedded one by default")
    parser.add_argument("--output", type=Path, default=None, help="a JSON file to write")
    options = parser.parse_args(arguments)
    with fresh_database(options.url) as conninfo:
        migrate.up(conninfo)
        bench = Bench(conninfo, rows=options.rows, backlog=options.backlog, load=options.load, rounds=options.rounds)
        found = bench.measure()
        report = {"figures": found, "environment": describe_environment(conninfo)}
        bench.engine.dispose()
        bench.connection.close()
    for name, value in found.items():
        print(f"{name:24} {value:>12,}")
    if options.output is not None:
        options.output.write_text(json.dumps(report, indent=2) + "\n")
    kept = (
        found["worker_share"] >= LEAST_SHARE  # type: ignore[operator]
        and found["claim_ratio"] <= MOST_CLAIM_RATIO  # type: ignore[operator]
        and found["load_ratio"] <= MOST_SLOWDOWN  # type: ignore[operator]
    )
    print(
        f"worker >= {LEAST_SHARE:.0%}, claim <= {MOST_CLAIM_RATIO:g} x, load <= {MOST_SLOWDOWN:g} x: {'kept' if kept else 'NOT KEPT'}"
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
