"""Search: pgvec by columns, by records and with an engine, beside the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from benchmarks.data import TRUTH, Dataset, exact_neighbors
from benchmarks.floor import AsyncFloor, Floor, PooledFloor
from benchmarks.measure import Timings, measure, measure_async, recall
from benchmarks.schema import Workbench
from pgvec import AsyncRepository, Matches, Repository
from pgvec.execution.url import engine_url

__all__ = ["FilteredTimings", "far_labels", "found_ids", "measure_async_search", "measure_filtered", "measure_search"]


@dataclass(frozen=True, slots=True)
class FilteredTimings:
    """A filtered search by both sides.

    Attributes:
        timings: By contender, ``floor`` and ``pgvec``.
        recall: Share of the true ten that each found.
        short: Answers of each with fewer than ten rows, although more match.
    """

    timings: dict[str, Timings]
    recall: dict[str, float]
    short: dict[str, int]


def measure_search(bench: Workbench, *, rounds: int) -> dict[str, Timings]:
    """Measure the floor, the floor with a pool, and pgvec with a session (columns, records) and with an engine."""
    model, queries = bench.schema.model, list(bench.data.queries)
    columns = (model.id, model.label)
    floor, pooled = Floor(bench.conninfo), PooledFloor(bench.conninfo)
    try:
        with Session(bench.engine) as session:
            items, from_engine = Repository(session, model), Repository(bench.engine, model)
            return measure(
                {
                    "floor": lambda n: floor.search(queries[n]),
                    "pooled_floor": lambda n: pooled.search(queries[n]),
                    "columns": lambda n: items.search(queries[n], columns=columns),
                    "entities": lambda n: items.search(queries[n]),
                    "engine": lambda n: from_engine.search(queries[n], columns=columns),
                },
                len(queries),
                rounds=rounds,
            )
    finally:
        floor.close()
        pooled.close()


async def measure_async_search(bench: Workbench, *, rounds: int) -> dict[str, Timings]:
    """Measure pgvec with an asynchronous session beside an asynchronous floor."""
    model, queries = bench.schema.model, list(bench.data.queries)
    columns = (model.id, model.label)
    floor = await AsyncFloor.connect(bench.conninfo)
    engine = create_async_engine(engine_url(bench.conninfo))
    try:
        async with AsyncSession(engine) as session:
            items = AsyncRepository(session, model)
            return await measure_async(
                {
                    "floor": lambda n: floor.search(queries[n]),
                    "columns": lambda n: items.search(queries[n], columns=columns),
                },
                len(queries),
                rounds=rounds,
            )
    finally:
        await floor.close()
        await engine.dispose()


def measure_filtered(bench: Workbench, labels: NDArray[np.int64], *, rounds: int) -> FilteredTimings:
    """Measure searches that are filtered by a label for each query, beside pgvector's own recipe."""
    model, queries = bench.schema.model, list(bench.data.queries)
    columns, wanted = (model.id, model.label), labels.tolist()
    floor = Floor(bench.conninfo)
    floor.iterate()
    try:
        with Session(bench.engine) as session:
            items = Repository(session, model)
            timings = measure(
                {
                    "floor": lambda n: floor.search_filtered(queries[n], wanted[n]),
                    "pgvec": lambda n: items.search(queries[n], where=model.label == wanted[n], columns=columns),
                },
                len(queries),
                rounds=rounds,
            )
    finally:
        floor.close()
    truth = _filtered_truth(bench.data, labels)
    found = {name: found_ids(timing) for name, timing in timings.items()}
    return FilteredTimings(
        timings,
        {name: recall(ids, truth) for name, ids in found.items()},
        {name: sum(len(answer) < TRUTH for answer in ids) for name, ids in found.items()},
    )


def far_labels(data: Dataset) -> NDArray[np.int64]:
    """Return for each query the label whose records are farthest from it on average."""
    labels = np.unique(data.labels)
    centers = np.stack([data.vectors[data.labels == label].mean(axis=0) for label in labels])
    distances = np.linalg.norm(data.queries[:, None, :] - centers[None, :, :], axis=2)
    farthest: NDArray[np.int64] = labels[distances.argmax(axis=1)]
    return farthest


def found_ids(timings: Timings) -> list[list[int]]:
    """Return the ids that a contender answered, by query."""
    return [
        [match.record.id for match in answer] if isinstance(answer, Matches) else [row[0] for row in answer]
        for answer in timings.answers
    ]


def _filtered_truth(data: Dataset, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    truth = np.empty((len(labels), TRUTH), dtype=np.int64)
    for label in np.unique(labels):
        ids, asked = np.flatnonzero(data.labels == label), labels == label
        truth[asked] = ids[exact_neighbors(data.vectors[ids], data.queries[asked])]
    return truth
