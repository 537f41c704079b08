"""The recipes of hybrid search: one statement for a search, and the fitting of its weight on judged queries."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pgvec.errors import QueryError
from pgvec.model import FusionReport, Match, Matches, Receipt, Strategy, Target
from pgvec.operations.keyword import raise_pending
from pgvec.operations.search import Question, planned
from pgvec.operations.shaped import shaped_matches
from pgvec.statements.hybrid import store_fusion
from pgvec.statements.requests import Execute, Find, Request
from pgvec.statements.scoring import INDEX, NEAR_WEIGHT, HybridScoring
from pgvec.statements.search import BRANCHES

__all__ = ["DEFAULT_WEIGHT", "HybridQuestion", "Judgement", "hybrid_search", "tune_fusion"]

DEFAULT_WEIGHT = 0.5
_GRID = np.linspace(0.0, 1.0, 41)
# What is nearly as good as the best, is as good: neighbouring weights are averaged before one is chosen.
_SMOOTHING = np.array([0.25, 0.5, 0.25])

_Found: TypeAlias = tuple[Any, float | None, list[float], None]


@dataclass(frozen=True, slots=True)
class HybridQuestion:
    """A hybrid search, checked.

    Attributes:
        question: The vector part, whose limit is the number of candidates; its parameters are those of the whole statement.
        scoring: How the scores are fused.
    """

    question: Question
    scoring: HybridScoring


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judged query.

    Attributes:
        question: The search, with the key as the only column.
        gains: How relevant the keys are that are relevant.
    """

    question: HybridQuestion
    gains: Mapping[tuple[Any, ...], float]


def hybrid_search(target: Target, asked: HybridQuestion) -> Generator[Request, Any, Matches[Any]]:
    """Find the rows that are near, or match the words, or both.

    Raises:
        MigrationPendingError: The schema ``pgvec`` lacks the functions.
    """
    find, found, statements = yield from _ask(target, asked)
    if find.shaping is not None:
        return shaped_matches(find, find.shaping, found, statements)
    matches = tuple(
        Match(
            record,
            math.nan if distance is None else distance,
            target.similarity(distance),
            details[0],
            rank,
        )
        for rank, (record, distance, details, _) in enumerate(found, start=asked.scoring.offset + 1)
    )
    return Matches(matches, _receipt(find, asked.scoring, found, statements))


def tune_fusion(
    target: Target, judgements: Sequence[Judgement], *, index: str | None, limit: int, folds: int
) -> Generator[Request, Any, FusionReport]:
    """Fit the weight of the vectors on judged queries, and store it where that is better than the default.

    Each weight is tried on queries that it was not chosen by: the queries are dealt into ``folds`` parts, and every part is
    scored with the weight that is best for the others.
    """
    curves = []
    for judgement in judgements:
        _, found, _ = yield from _ask(target, judgement.question)
        curves.append(_curve(found, judgement.gains, limit))
    table = np.array(curves)
    default = float(table[:, np.argmin(np.abs(_GRID - DEFAULT_WEIGHT))].mean())
    part = np.arange(len(table)) % folds
    held_out = [table[part == fold, _best(table[part != fold])].mean() * (part == fold).sum() for fold in range(folds)]
    tuned = float(np.sum(held_out) / len(table))
    improves = tuned > default
    weight = float(_GRID[_best(table)]) if improves else DEFAULT_WEIGHT
    yield Execute(store_fusion(target), target, {INDEX: index, NEAR_WEIGHT: weight})
    return FusionReport(weight, default, tuned, improves, len(table), limit)


def _ask(target: Target, asked: HybridQuestion) -> Generator[Request, Any, tuple[Find, Sequence[_Found], int]]:
    """Send the search; return it, what was found, and how many statements were sent."""
    find, statements = yield from planned(target, asked.question)
    find = replace(find, scoring=asked.scoring)
    try:
        found: Sequence[_Found] = yield find
    except QueryError as exc:
        raise_pending(exc)
        raise
    return find, found, statements + 1


def _receipt(find: Find, scoring: HybridScoring, found: Sequence[_Found], statements: int) -> Receipt:
    branch = BRANCHES[int(found[0][2][1])] if found else Strategy.EXACT
    returned = len(found)
    # All candidates of both lists came back, and there are no more rows than candidates.
    everything = returned < scoring.limit and branch is not Strategy.INDEX and (returned > 0 or not scoring.offset)
    return Receipt(
        strategy=branch,
        complete=everything or returned == scoring.limit,
        exact=everything,
        matching=scoring.offset + returned if returned else 0,
        matching_is_exact=everything,
        requested=scoring.limit,
        returned=returned,
        ef_search=find.plan.ef_search,
        statements=statements,
        warnings=find.plan.warnings,
    )


def _curve(found: Sequence[_Found], gains: Mapping[tuple[Any, ...], float], limit: int) -> NDArray[np.float64]:
    """NDCG of one query for every weight of the grid."""
    discounts = 1.0 / np.log2(np.arange(2, limit + 2))
    ideal = np.sort(list(gains.values()))[::-1][:limit]
    best = float((ideal * discounts[: len(ideal)]).sum())
    if not found or best <= 0:
        return np.zeros(len(_GRID))
    gained = np.array([gains.get(tuple(key), 0.0) for key, *_ in found])
    near, words = (np.array([details[place] for _, _, details, _ in found]) for place in (2, 3))
    curve = []
    for weight in _GRID:
        order = np.argsort(-(weight * near + (1 - weight) * words), kind="stable")[:limit]
        curve.append(float((gained[order] * discounts[: len(order)]).sum()) / best)
    return np.array(curve)


def _best(table: NDArray[np.float64]) -> int:
    """The position of the weight that is best for the queries of a table."""
    means = np.pad(table.mean(axis=0), 1, mode="edge")
    return int(np.argmax(np.convolve(means, _SMOOTHING, mode="valid")))
