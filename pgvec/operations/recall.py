"""The recipe that compares approximate searches with exact ones."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

import numpy as np

from pgvec.errors import InvalidInputError, RecordNotFoundError
from pgvec.model import MeasureProgress, MeasureProgressCallback, RecallPoint, RecallReport, Target, recall_interval
from pgvec.operations.search import Question, query_value, search
from pgvec.statements.recall import sample_of_records
from pgvec.statements.requests import Execute, Request
from pgvec.statements.search import QUERY

__all__ = ["Answer", "Meter", "Truth", "point", "queries_for", "recall", "true_answers"]

# The server computes both distances from the same vectors, so they differ by the rounding of a last digit at most.
_RELATIVE = 1e-6
_ABSOLUTE = 1e-9


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: the keys and distances of its rows, nearest first, and what it took."""

    rows: tuple[tuple[tuple[Any, ...], float], ...]
    milliseconds: float
    strategy: str = ""
    ef_search: int | None = None

    def without(self, key: tuple[Any, ...] | None, limit: int) -> tuple[tuple[tuple[Any, ...], float], ...]:
        """Return the nearest ``limit`` rows beside the record that is the query."""
        return tuple(row for row in self.rows if row[0] != key)[:limit]


@dataclass(frozen=True, slots=True)
class Truth:
    """A query with its exact answer.

    Attributes:
        query: The query vector, as a search statement takes it.
        key: The record that it belongs to, which counts in no answer; None where it was given.
        distances: Distances of the true nearest rows.
        milliseconds: What the exact search took.
    """

    query: Any
    key: tuple[Any, ...] | None
    distances: tuple[float, ...]
    milliseconds: float

    def recall_of(self, rows: Sequence[tuple[Any, float]]) -> float:
        """Return the share of the true nearest that is among rows; at equal distance one row is as good as another."""
        farthest = self.distances[-1]
        within = farthest + _RELATIVE * abs(farthest) + _ABSOLUTE
        # Rows whose embedding is all zeros have no distance, and come last.
        found = sum(1 for _, distance in rows if distance <= within or math.isnan(farthest))
        return min(1.0, found / len(self.distances))


@dataclass(slots=True)
class Meter:
    """Counts searches and tells who asked."""

    progress: MeasureProgressCallback | None
    total: int
    stage: str = ""
    searches: int = 0
    began: float = field(default_factory=time.monotonic)

    def count(self) -> None:
        """Take note of a search."""
        self.searches += 1
        if self.progress is not None:
            total = max(self.total, self.searches)
            self.progress(MeasureProgress(self.stage, self.searches, total, time.monotonic() - self.began))


def recall(
    target: Target,
    question: Question,
    given: Sequence[Any] | None,
    *,
    sample: int,
    curve: Sequence[int] = (),
    progress: MeasureProgressCallback | None = None,
) -> Generator[Request, Any, RecallReport]:
    """Compare the searches that a question stands for with exact ones.

    Args:
        target: What is searched.
        question: The search, without its query, that shows the key.
        given: Query vectors, checked; None takes a sample of the records.
        sample: How many records to take.
        curve: Other values of ``ef_search`` to measure too.
        progress: Told of every search.

    Raises:
        RecordNotFoundError: No row passes the condition, or none has an embedding to be a query.
    """
    limit = question.shape.limit
    queries = yield from queries_for(target, given, sample)
    meter = Meter(progress, total=len(queries) * (2 + len(curve)))
    truths = yield from true_answers(target, question, queries, meter)
    meter.stage = "asking the index"
    answers = yield from _answers(target, question, truths, meter)
    points = []
    for ef_search in curve:
        meter.stage = f"asking the index with ef_search {ef_search}"
        asked = replace(question, shape=replace(question.shape, ef_search=ef_search), recall=None)
        points.append(point(truths, (yield from _answers(target, asked, truths, meter)), limit))
    own = point(truths, answers, limit)
    return RecallReport(
        recall=own.recall,
        low=own.low,
        high=own.high,
        limit=limit,
        queries=len(truths),
        ef_search=own.ef_search,
        p50_ms=own.p50_ms,
        p95_ms=own.p95_ms,
        exact_p50_ms=float(np.median([truth.milliseconds for truth in truths])),
        rows_short=own.rows_short,
        strategies=own.strategies,
        curve=tuple(points),
    )


def queries_for(
    target: Target, given: Sequence[Any] | None, sample: int
) -> Generator[Request, Any, list[tuple[Any, tuple[Any, ...] | None]]]:
    """Return query vectors with the keys of the records that they belong to: those given, or a sample of what is stored.

    Raises:
        RecordNotFoundError: Nothing is stored that could be a query.
    """
    if given is not None:
        return [(query, None) for query in given]
    stored = yield Execute(sample_of_records(target, sample), target)
    found: list[tuple[Any, tuple[Any, ...] | None]] = []
    for *key, embedding in stored.rows:
        try:
            found.append((query_value(target, embedding), tuple(key)))
        except InvalidInputError:  # a zero vector, which has no direction to look into
            continue
    if not found:
        raise RecordNotFoundError(
            f"{target.name} holds no {target.column.attribute} that could be a query: load it first, or give queries="
        )
    return found


def true_answers(
    target: Target, question: Question, queries: Sequence[tuple[Any, tuple[Any, ...] | None]], meter: Meter
) -> Generator[Request, Any, list[Truth]]:
    """Answer the queries exactly; those that nothing passes for are left out.

    Raises:
        RecordNotFoundError: Nothing passes for any of them.
    """
    meter.stage = "comparing every row"
    exact = replace(question, shape=replace(question.shape, exact=True, ef_search=None), recall=None)
    truths = []
    for query, key in queries:
        answer = yield from _ask(target, exact, query, key)
        meter.count()
        distances = tuple(distance for _, distance in answer.without(key, question.shape.limit))
        if distances:
            truths.append(Truth(query, key, distances, answer.milliseconds))
    if not truths:
        raise RecordNotFoundError(
            f"No row of {target.name} passes the condition, so there is no recall to measure: loosen where="
        )
    return truths


def point(truths: Sequence[Truth], answers: Sequence[Answer], limit: int) -> RecallPoint:
    """Compare answers with the exact ones."""
    rows = [answer.without(truth.key, limit) for truth, answer in zip(truths, answers, strict=True)]
    recalls = [truth.recall_of(found) for truth, found in zip(truths, rows, strict=True)]
    low, high = recall_interval(recalls)
    milliseconds = [answer.milliseconds for answer in answers]
    efs = [answer.ef_search for answer in answers if answer.ef_search is not None]
    return RecallPoint(
        ef_search=max(efs, default=None),
        recall=fmean(recalls),
        low=low,
        high=high,
        p50_ms=float(np.percentile(milliseconds, 50)),
        p95_ms=float(np.percentile(milliseconds, 95)),
        rows_short=sum(len(truth.distances) - len(found) for truth, found in zip(truths, rows, strict=True)),
        strategies=dict(Counter(answer.strategy for answer in answers)),
    )


def _answers(
    target: Target, question: Question, truths: Sequence[Truth], meter: Meter
) -> Generator[Request, Any, list[Answer]]:
    # The first search of a shape is planned, prepared and read from disk; what is measured is the next.
    yield from _ask(target, question, truths[0].query, truths[0].key)
    answers = []
    for truth in truths:
        answers.append((yield from _ask(target, question, truth.query, truth.key)))
        meter.count()
    return answers


def _ask(
    target: Target, question: Question, query: Any, key: tuple[Any, ...] | None
) -> Generator[Request, Any, Answer]:
    """Ask for one row more than wanted where the query is a record, which is found beside the others.

    A condition that leaves it out would make a filtered search of one that has no filter.
    """
    shape = question.shape if key is None else replace(question.shape, limit=question.shape.limit + 1)
    asked = replace(question, shape=shape, parameters={**question.parameters, QUERY: query})
    started = time.perf_counter()
    found = yield from search(target, asked)
    seconds = time.perf_counter() - started
    rows = tuple((tuple(match.record), match.distance) for match in found)
    return Answer(rows, seconds * 1_000, found.receipt.strategy.value, found.receipt.ef_search)
