"""Arguments of measurements, checked once for both repositories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pgvec.errors import InvalidOptionError
from pgvec.model import Target
from pgvec.operations.search import Question, query_value
from pgvec.operations.tune import FILTER_SHARES
from pgvec.repository import checks
from pgvec.statements.filters import build_filter
from pgvec.statements.plan import LARGEST_EF_SEARCH, SearchShape, attributes

__all__ = ["check_classes", "check_curve", "check_queries", "check_sample", "check_targets", "searches"]

_LARGEST_LIMIT = 10_000
_LARGEST_SAMPLE = 100_000


def searches(
    target: Target, *, where: object = None, limit: int, ef_search: int | None = None, recall: float | None = None
) -> Question:
    """Return the search to measure, without its query; it shows the key."""
    shape = SearchShape(
        limit=checks.whole_number("limit", limit, 1, _LARGEST_LIMIT),
        ef_search=None if ef_search is None else checks.whole_number("ef_search", ef_search, 1, LARGEST_EF_SEARCH),
    )
    return Question(
        shape,
        build_filter(target, where),
        tuple(attributes(target, target.key)),
        include_embedding=False,
        parameters={},
        recall=None if recall is None else checks.share("recall", recall),
    )


def check_queries(target: Target, queries: object) -> list[Any] | None:
    """Return query vectors in the form that a statement takes, or None where none are given."""
    if queries is None:
        return None
    if isinstance(queries, str | bytes) or not isinstance(queries, Iterable):
        raise InvalidOptionError(f"queries= takes a matrix or an iterable of vectors, not {queries!r:.60}")
    if isinstance(queries, np.ndarray) and queries.ndim != 2:
        raise InvalidOptionError(
            f"queries= takes a matrix, a row for each query, not an array of {queries.ndim} dimensions"
        )
    checked = [query_value(target, query) for query in queries]
    if not checked:
        raise InvalidOptionError(
            "queries= is empty: give at least one, or leave it out to take a sample of the records"
        )
    return checked


def check_sample(sample: int) -> int:
    """Return how many records to take as queries."""
    return checks.whole_number("sample", sample, 1, _LARGEST_SAMPLE)


def check_curve(curve: Sequence[int]) -> tuple[int, ...]:
    """Return the values of ``ef_search`` to measure too, each once, in order."""
    return tuple(sorted({checks.whole_number("curve", ef, 1, LARGEST_EF_SEARCH) for ef in curve}))


def check_targets(target_recall: float | Sequence[float]) -> tuple[float, ...]:
    """Return the recalls to reach, each once, in order."""
    given = target_recall if isinstance(target_recall, list | tuple) else (target_recall,)
    if not given:
        raise InvalidOptionError("target_recall= is empty: name at least one recall to reach")
    return tuple(sorted({checks.share("target_recall", value) for value in given}))


def check_classes(filter_classes: Sequence[str], where: object) -> tuple[str, ...]:
    """Return the classes of filters to measure; a condition stands for its own."""
    if isinstance(filter_classes, str) or not filter_classes or set(filter_classes) - set(FILTER_SHARES):
        raise InvalidOptionError(
            f"filter_classes takes some of {', '.join(FILTER_SHARES)}, as a tuple, not {filter_classes!r:.60}"
        )
    if where is not None and tuple(filter_classes) != tuple(FILTER_SHARES):
        raise InvalidOptionError("where= is of a class by itself: give it or filter_classes=, and not both")
    return tuple(filter_classes)
