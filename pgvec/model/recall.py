"""What a measurement of recall reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, TypeAlias

__all__ = [
    "MeasureProgress",
    "MeasureProgressCallback",
    "RecallPoint",
    "RecallReport",
    "TuneReport",
    "TunedClass",
    "recall_interval",
]

_Z = 1.959964
"""Half the width of a 95 % interval of the normal distribution, in standard deviations."""


@dataclass(frozen=True, slots=True)
class MeasureProgress:
    """How far a measurement is.

    Attributes:
        stage: What is being done, for people.
        searches: Searches done so far.
        total: Searches in all, as far as can be told.
        seconds: Time since the measurement began.
    """

    stage: str
    searches: int
    total: int
    seconds: float


MeasureProgressCallback: TypeAlias = Callable[[MeasureProgress], None]


@dataclass(frozen=True, slots=True)
class RecallPoint:
    """Recall and latency of approximate searches with one ``ef_search``.

    Attributes:
        ef_search: The ``hnsw.ef_search`` that the searches asked for; None where they left the server's own.
        recall: Share of the true nearest rows that were found, the mean over the queries.
        low: Lower end of its 95 % confidence interval.
        high: Upper end of it.
        p50_ms: Median milliseconds of a search, with the round trip.
        p95_ms: Milliseconds that 95 % of the searches stay within.
        rows_short: Rows that the searches returned too few, of all ``min(limit, rows that pass)``.
        strategies: How many searches were answered by which strategy.
    """

    ef_search: int | None
    recall: float
    low: float
    high: float
    p50_ms: float
    p95_ms: float
    rows_short: int
    strategies: dict[str, int]


@dataclass(frozen=True, slots=True)
class RecallReport:
    """How approximate searches compare with exact ones on the rows of a table.

    Attributes:
        recall: Share of the true nearest ``limit`` rows that the searches found, the mean over the queries.
        low: Lower end of its 95 % confidence interval. The queries are what was sampled, not their rows, and a sample without a
            miss does not prove a recall of 1.
        high: Upper end of it.
        limit: Rows that each search asked for.
        queries: Queries that were asked.
        ef_search: The ``hnsw.ef_search`` that the searches asked for; None where they left the server's own.
        p50_ms: Median milliseconds of an approximate search, with the round trip.
        p95_ms: Milliseconds that 95 % of them stay within.
        exact_p50_ms: Median milliseconds of an exact search.
        rows_short: Rows that the searches returned too few, of all ``min(limit, rows that pass)``; 0 on a sound database.
        strategies: How many searches were answered by which strategy.
        curve: The same for each other ``ef_search`` that was asked for.
    """

    recall: float
    low: float
    high: float
    limit: int
    queries: int
    ef_search: int | None
    p50_ms: float
    p95_ms: float
    exact_p50_ms: float
    rows_short: int
    strategies: dict[str, int]
    curve: tuple[RecallPoint, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TunedClass:
    """What tuning found for one class of filters and one target.

    Attributes:
        filter_class: ``all`` for searches without a filter, else how much the filter passes: ``half``, ``tenth`` or ``rare``.
        share: Share of the rows that pass the filter it was measured with.
        index: Name of the index that was measured.
        target_recall: Recall that was to be reached.
        ef_search: The smallest ``hnsw.ef_search`` that reached it, or None where none did.
        recall: What was measured with it; where none reached the target, with the largest.
        trials: All that was measured on the way, by growing ``ef_search``.
    """

    filter_class: str
    share: float
    index: str
    target_recall: float
    ef_search: int | None
    recall: float
    trials: tuple[RecallPoint, ...]

    @property
    def reached(self) -> bool:
        """Whether some ``ef_search`` reached the target."""
        return self.ef_search is not None


@dataclass(frozen=True, slots=True)
class TuneReport:
    """What a tuning run found.

    Attributes:
        limit: Rows that each search asked for.
        queries: Queries that were asked for each class.
        stored: Whether the settings were stored in ``pgvec.search_setting``, where searches find them.
        classes: What was found, by class of filters and target.
    """

    limit: int
    queries: int
    stored: bool
    classes: tuple[TunedClass, ...]

    @property
    def reached(self) -> bool:
        """Whether every class reached its target."""
        return all(found.reached for found in self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, ready for JSON."""
        return asdict(self)


def recall_interval(recalls: Sequence[float]) -> tuple[float, float]:
    """Return a 95 % confidence interval of a mean recall, from the recall of each query.

    It is Wilson's, with each query as one trial. Rows of one query are found or missed together, and a query that finds next
    to nothing may be too rare to have come up: an interval that counted rows, or trusted the scatter of the sample, would
    leave out the truth too often. No recall scatters more than that of all or nothing, so this one is never too narrow.
    """
    size, mean = len(recalls), min(1.0, fmean(recalls))
    middle = mean + _Z * _Z / (2 * size)
    reach = _Z * math.sqrt(mean * (1.0 - mean) / size + _Z * _Z / (4 * size * size))
    whole = 1.0 + _Z * _Z / size
    low, high = (middle - reach) / whole, (middle + reach) / whole
    return max(0.0, min(low, mean)), min(1.0, max(high, mean))
