"""Bulk load: pgvec straight into the table and through its merge, beside binary COPY by hand."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Literal, TypeAlias

import numpy as np
from sqlalchemy.orm import Session

from benchmarks.data import Row
from benchmarks.floor import FloorLoader
from benchmarks.schema import Workbench
from benchmarks.server import checkpoint
from pgvec import Repository

__all__ = ["COLUMNS", "LoadTimings", "fill_table", "measure_load"]

COLUMNS = ("id", "label", "embedding")

_Load: TypeAlias = Callable[[list[Row]], float]
_WARM_UP_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class LoadTimings:
    """Seconds of every load.

    Attributes:
        rows: Rows of each load.
        seconds: By contender: ``floor``, ``copy``, ``merge`` (into an empty table) and ``update`` (where all keys exist).
    """

    rows: int
    seconds: dict[str, list[float]]

    def rate(self, name: str) -> float:
        """Rows per second, in the median."""
        return self.rows / float(np.median(self.seconds[name]))

    def ratio(self, name: str) -> float:
        """Throughput over that of the floor."""
        return self.rate(name) / self.rate("floor")


def measure_load(bench: Workbench, *, rounds: int) -> LoadTimings:
    """Load the same rows by each contender, in shuffled order, round by round.

    A load is timed from its first call to the end of the last statement, in a transaction that is open before and
    committed after.
    """
    rows, schema, engine = bench.data.rows(), bench.schema, bench.engine
    floor = FloorLoader(bench.conninfo)
    contenders: dict[str, _Load] = {
        "floor": partial(_load_by_hand, floor),
        "copy": partial(_load_by_pgvec, bench, "error"),
        "merge": partial(_load_by_pgvec, bench, "update"),
        "update": partial(_load_by_pgvec, bench, "update"),
    }
    timings = LoadTimings(len(rows), {name: [] for name in contenders})
    random = np.random.default_rng(11)
    schema.create_table(engine)
    try:
        for load in contenders.values():
            load(rows[:_WARM_UP_ROWS])
            schema.empty_table(engine)
        for _ in range(rounds):
            for name in random.permutation(list(contenders)).tolist():
                if name == "update":
                    _load_by_hand(floor, rows)
                checkpoint(bench.conninfo)
                gc.collect()
                timings.seconds[name].append(contenders[name](rows))
                schema.empty_table(engine)
    finally:
        floor.close()
    return timings


def fill_table(bench: Workbench) -> None:
    """Make the table new, with the rows of the data and the vector index."""
    bench.schema.create_table(bench.engine)
    floor = FloorLoader(bench.conninfo)
    _load_by_hand(floor, bench.data.rows())
    floor.close()
    bench.schema.create_index(bench.engine)


def _load_by_hand(floor: FloorLoader, rows: list[Row]) -> float:
    floor.begin()
    started = perf_counter()
    floor.load(rows)
    seconds = perf_counter() - started
    floor.commit()
    return seconds


def _load_by_pgvec(bench: Workbench, on_conflict: Literal["error", "update"], rows: list[Row]) -> float:
    with Session(bench.engine) as session:
        session.connection()
        items = Repository(session, bench.schema.model)
        started = perf_counter()
        items.bulk_load(rows, columns=COLUMNS, on_conflict=on_conflict)
        seconds = perf_counter() - started
        session.commit()
    return seconds
