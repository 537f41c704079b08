"""Measures contenders in turn: the same queries, in shuffled order, each contender at a random place for every query.

What disturbs the machine then falls on all of them alike. The garbage collector stays on, since applications have it on;
what exists before the measurement is kept out of its way.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["AsyncSearch", "Clock", "Search", "Timings", "measure", "measure_async", "recall"]

Search: TypeAlias = Callable[[int], Any]
AsyncSearch: TypeAlias = Callable[[int], Awaitable[Any]]
Clock: TypeAlias = Callable[[], float]

_WARM_UP = 50


@dataclass(frozen=True, slots=True)
class Timings:
    """What one contender took.

    Attributes:
        seconds: By round and query.
        answers: What it answered to each query in the last round.
    """

    seconds: NDArray[np.float64]
    answers: list[Any]

    def percentile(self, percent: float) -> float:
        """Milliseconds that this share of the calls stayed under."""
        return float(np.percentile(self.seconds, percent) * 1_000)

    def typical(self, percent: float) -> float:
        """Milliseconds that this share of the calls stayed under, in the median of the rounds."""
        return float(np.median(np.percentile(self.seconds, percent, axis=1)) * 1_000)

    def ratio(self, floor: Timings) -> float:
        """Median over the median of the floor."""
        return float(np.median(self.seconds) / np.median(floor.seconds))

    def ratio_range(self, floor: Timings) -> tuple[float, float]:
        """Smallest and largest ratio of any round, which tells how far noise moved it."""
        ratios = np.median(self.seconds, axis=1) / np.median(floor.seconds, axis=1)
        return float(ratios.min()), float(ratios.max())


def measure(
    contenders: Mapping[str, Search],
    queries: int,
    *,
    rounds: int,
    seed: int = 7,
    warm_up: int = _WARM_UP,
    clocks: Mapping[str, Clock] | None = None,
) -> dict[str, Timings]:
    """Ask every contender every query, in each round, after a few that do not count.

    Args:
        contenders: What searches, by name.
        queries: How many queries there are.
        rounds: How often each is asked.
        seed: Decides the order.
        warm_up: Queries before, which do not count.
        clocks: What tells the seconds of a contender; the time on the wall where it has none.
    """
    clocks = clocks or {}
    timings = _empty(contenders, queries, rounds)
    for search in contenders.values():
        for query in range(min(queries, warm_up)):
            search(query)
    settle()
    for round_, query, name in _schedule(list(contenders), queries, rounds, seed):
        search, clock = contenders[name], clocks.get(name, perf_counter)
        started = clock()
        answer = search(query)
        timings[name].seconds[round_, query] = clock() - started
        timings[name].answers[query] = answer
    return timings


async def measure_async(
    contenders: Mapping[str, AsyncSearch], queries: int, *, rounds: int, seed: int = 7
) -> dict[str, Timings]:
    """Do the same as :func:`measure`, one query at a time."""
    timings = _empty(contenders, queries, rounds)
    for search in contenders.values():
        for query in range(min(queries, _WARM_UP)):
            await search(query)
    settle()
    for round_, query, name in _schedule(list(contenders), queries, rounds, seed):
        search = contenders[name]
        started = perf_counter()
        answer = await search(query)
        timings[name].seconds[round_, query] = perf_counter() - started
        timings[name].answers[query] = answer
    return timings


def recall(found: list[list[int]], truth: NDArray[np.int64]) -> float:
    """Return the share of the true nearest that were found, over all queries."""
    hits = sum(len(set(ids) & set(nearest)) for ids, nearest in zip(found, truth.tolist(), strict=True))
    return hits / truth.size


def _empty(contenders: Mapping[str, object], queries: int, rounds: int) -> dict[str, Timings]:
    return {name: Timings(np.zeros((rounds, queries)), [None] * queries) for name in contenders}


def _schedule(names: list[str], queries: int, rounds: int, seed: int) -> Iterator[tuple[int, int, str]]:
    random = np.random.default_rng(seed)
    for round_ in range(rounds):
        for query in random.permutation(queries).tolist():
            for position in random.permutation(len(names)):
                yield round_, query, names[position]


def settle() -> None:
    """Collect garbage, and leave what lives out of the collections that come while something is timed."""
    gc.collect()
    gc.freeze()
