"""``python -m benchmarks.queries``: every way to ask, timed beside a plain search of a hundred rows.

To add one, add an entry to ``FEATURES``: its name, what it asks (a repository and the number of a query), and how many times the
p95 of the plain search it may take.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from benchmarks.data import generate
from benchmarks.environment import describe_environment
from benchmarks.measure import Search, measure
from benchmarks.report import RESULTS
from benchmarks.server import fresh_database
from pgvec import Repository
from pgvec.execution.url import engine_url
from pgvec.orm import Embedding, HnswIndex

__all__ = ["FEATURES", "Bench", "Feature"]

PLAIN = "plain search of 100 rows"
_QUERIES = 200


@dataclass(frozen=True, slots=True)
class Bench:
    """What a feature is measured on.

    Attributes:
        connection: An open connection; nothing is committed but what preparations commit.
        table: The searched table ``item``: ``id``, ``part`` (``id % 100``) and ``embedding``.
        repository: A repository on it.
        queries: Query vectors.
    """

    connection: sa.Connection
    table: sa.Table
    repository: Repository[Any]
    queries: NDArray[np.float32]

    def query(self, number: int) -> NDArray[np.float32]:
        """One query vector."""
        vector: NDArray[np.float32] = self.queries[number % len(self.queries)]
        return vector

    def keys(self, number: int, count: int) -> list[int]:
        """Some keys of rows."""
        return [1 + (number * 37 + place * 101) % 1_000 for place in range(count)]


@dataclass(frozen=True, slots=True)
class Feature:
    """One way to ask.

    Attributes:
        ask: Asks the query of a number.
        most: How many times the p95 of the plain search its p95 may be, or None where there is no goal.
    """

    ask: Callable[[Bench, int], Any]
    most: float | None = None


def _recommend(strategy: str) -> Callable[[Bench, int], Any]:
    return lambda bench, n: bench.repository.recommend(
        bench.keys(n, 3), bench.keys(n + 1, 2), strategy=strategy, columns=("id",)
    )


FEATURES: dict[str, Feature] = {
    "MMR, 10 of 100 candidates": Feature(
        lambda bench, n: bench.repository.search(bench.query(n), diversity=0.3, candidates=100, columns=("id",)), 10.0
    ),
    "MMR, 100 of 100 candidates": Feature(
        lambda bench, n: bench.repository.search(bench.query(n), diversity=0.3, limit=100, columns=("id",)), 10.0
    ),
    "recommend, average of 3 and 2": Feature(_recommend("average")),
    "recommend, best score of 3 and 2": Feature(_recommend("best_score")),
    "recommend, sum of scores of 3 and 2": Feature(_recommend("sum_scores")),
    "discover, target and 2 pairs": Feature(
        lambda bench, n: bench.repository.discover(
            bench.query(n), [tuple(bench.keys(n, 2)), tuple(bench.keys(n + 1, 2))], columns=("id",)
        )
    ),
    "context, 2 pairs": Feature(
        lambda bench, n: bench.repository.discover(
            context=[tuple(bench.keys(n, 2)), tuple(bench.keys(n + 1, 2))], columns=("id",)
        )
    ),
    "similar": Feature(lambda bench, n: bench.repository.similar(bench.keys(n, 1)[0], columns=("id",))),
}


def main() -> None:
    """Measure, print, and write ``results/queries.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queries", description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="measure features whose names contain this")
    parser.add_argument("--url", help="a server to measure on (PGVEC_BENCH_URL); else an embedded one")
    arguments = parser.parse_args()
    chosen = {name: feature for name, feature in FEATURES.items() if (arguments.only or "") in name}
    with fresh_database(arguments.url or os.environ.get("PGVEC_BENCH_URL")) as conninfo:
        engine = sa.create_engine(engine_url(conninfo))
        with engine.connect() as connection:
            bench = _filled(connection, arguments.rows, arguments.dimensions)
            figures = _measure(bench, chosen, arguments.rounds)
        engine.dispose()
        about = describe_environment(conninfo)
    RESULTS.mkdir(parents=True, exist_ok=True)
    report = {"features": figures, "rows": arguments.rows, "dimensions": arguments.dimensions, "about": about}
    (RESULTS / "queries.json").write_text(json.dumps(report, indent=2) + "\n")
    for name, figure in figures.items():
        goal = "" if figure["goal"] is None else f"  (goal: at most {figure['goal']:g})"
        sys.stdout.write(f"{name:36} p50 {figure['p50_ms']:7.2f} ms  p95 {figure['p95_ms']:7.2f} ms")
        sys.stdout.write(f"  {figure['p95_ratio']:6.2f} x{goal}\n")


def _filled(connection: sa.Connection, rows: int, dimensions: int) -> Bench:
    """Load vectors that lie in clusters, as embeddings do, and index them."""
    table = sa.Table(
        "item",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("part", sa.Integer, index=True),
        sa.Column("embedding", Embedding(dimensions, distance="cosine")),
    )
    data = generate(rows=rows, queries=_QUERIES, dimensions=dimensions)
    table.create(connection)
    repository = Repository[Any](connection, table)
    ids = np.arange(1, rows + 1)
    repository.bulk_load({"id": ids, "part": ids % 100, "embedding": data.vectors})
    HnswIndex(table.c.embedding).create(connection)
    connection.execute(sa.text("ANALYZE item"))
    connection.commit()
    return Bench(connection, table, repository, data.queries)


def _measure(bench: Bench, features: dict[str, Feature], rounds: int) -> dict[str, dict[str, float | None]]:
    def search(feature: Feature) -> Search:
        return lambda number: feature.ask(bench, number)

    plain = Feature(lambda bench, n: bench.repository.search(bench.query(n), limit=100, columns=("id",)))
    contenders = {PLAIN: search(plain)} | {name: search(feature) for name, feature in features.items()}
    timings = measure(contenders, _QUERIES, rounds=rounds, warm_up=20)
    floor = timings[PLAIN].typical(95)
    return {
        name: {
            "p50_ms": timing.typical(50),
            "p95_ms": timing.typical(95),
            "p95_ratio": timing.typical(95) / floor,
            "goal": features[name].most if name in features else None,
        }
        for name, timing in timings.items()
    }


if __name__ == "__main__":
    main()
