"""How good an answer is: against the true nearest rows that pass, where equally near ones count alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import TRUTH, Vectors
from benchmarks.filters.data import FilterData
from benchmarks.filters.grid import Cell, matching_rows

__all__ = ["Quality", "Truth", "find_truth", "judge", "true_distances"]

Distances: TypeAlias = NDArray[np.float64]

# Beyond ten, so that what single precision puts in the wrong order is still among them.
_CANDIDATES = 40
_BLOCK = 100
# Postgres computes in single precision.
_RELATIVE_TOLERANCE = 1e-5
_ABSOLUTE_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Truth:
    """What a correct answer to each query of a cell is.

    Attributes:
        matching: How many rows pass the filter.
        farthest: The distance up to which a row belongs to the nearest ten, tolerance included.
    """

    matching: NDArray[np.int64]
    farthest: Distances

    @property
    def wanted(self) -> NDArray[np.int64]:
        """How many rows an answer should have."""
        return np.minimum(self.matching, TRUTH)


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the answers to the queries of a cell were.

    Attributes:
        recall: Share of the nearest ten (of all that match, where those are fewer) that was found.
        answers_short: Answers with fewer rows than that.
        rows_short: Rows that these lack.
    """

    recall: float
    answers_short: int
    rows_short: int


def find_truth(data: FilterData, cell: Cell, queries: int) -> Truth:
    """Compare the first queries with every row that passes."""
    matching, farthest = np.zeros(queries, dtype=np.int64), np.full(queries, -np.inf)
    alike = defaultdict(list)
    for query in range(queries):
        alike[cell.values(query)].append(query)
    for group in alike.values():
        ids = matching_rows(cell, group[0], len(data.vectors))
        matching[group] = len(ids)
        if len(ids):
            rows = data.vectors if len(ids) == len(data.vectors) else data.vectors[ids]
            for block in np.array_split(group, -(-len(group) // _BLOCK)):
                farthest[block] = _tenth(data.distance, rows, data.queries[block])
    return Truth(matching, farthest + np.abs(farthest) * _RELATIVE_TOLERANCE + _ABSOLUTE_TOLERANCE)


def judge(data: FilterData, cell: Cell, truth: Truth, answers: Sequence[list[int]]) -> Quality:
    """Compare answers (ids, by query) with the truth.

    Raises:
        AssertionError: An answer has a row twice, or one that does not pass the filter: it is wrong, not approximate.
    """
    hits = short = rows_short = 0
    for query, ids in enumerate(answers):
        found = np.array(ids, dtype=np.int64)
        assert len(set(ids)) == len(ids), f"{cell.title}: query {query} has a row twice in {ids}"
        for comparison in cell.comparisons:
            assert comparison.passes(query, found).all(), (
                f"{cell.title}: query {query} has rows that do not pass in {ids}"
            )
        near = true_distances(data.distance, data.vectors[found], data.queries[query]) <= truth.farthest[query]
        wanted = int(truth.wanted[query])
        hits += min(int(near.sum()), wanted)
        short += len(ids) < wanted
        rows_short += max(0, wanted - len(ids))
    return Quality(hits / max(1, int(truth.wanted.sum())), short, rows_short)


def true_distances(distance: str, rows: Vectors, query: Vectors) -> Distances:
    """Return the distances of rows from a query in double precision."""
    exact, asked = rows.astype(np.float64), query.astype(np.float64)
    if distance == "l2":
        return np.asarray(np.linalg.norm(exact - asked, axis=1))
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(asked)
    return np.asarray(1 - (exact @ asked) / lengths)


def _tenth(distance: str, rows: Vectors, queries: Vectors) -> Distances:
    """Return the distance of the tenth nearest row (or of the last, where there are fewer) from each query."""
    wanted, kept = min(TRUTH, len(rows)), min(_CANDIDATES, len(rows))
    if distance == "l2":
        order = np.einsum("ij,ij->i", rows, rows) - 2 * (queries @ rows.T)
    else:
        order = -(queries @ rows.T) / np.linalg.norm(rows, axis=1)
    nearest = np.argpartition(order, kept - 1, axis=1)[:, :kept]
    return np.array(
        [
            np.sort(true_distances(distance, rows[ids], query))[wanted - 1]
            for ids, query in zip(nearest, queries, strict=True)
        ]
    )
