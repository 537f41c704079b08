"""What searches by examples and diverse searches have to return, in NumPy: the formulas as they are written down."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

EPSILON = float(np.finfo(np.float32).eps)
Vectors = NDArray[np.float64]


def similarity(rows: Vectors, example: Vectors, distance: str) -> Vectors:
    """Similarity of every row to an example, as Qdrant scores it."""
    if distance == "cosine":
        return rows @ example / (np.linalg.norm(rows, axis=1) * np.linalg.norm(example))
    if distance == "inner_product":
        return rows @ example
    if distance == "l2":
        return -((rows - example) ** 2).sum(axis=1)
    return -np.abs(rows - example).sum(axis=1)


def sigmoid(x: Vectors) -> Vectors:
    """Qdrant's ``fast_sigmoid``."""
    return x / (1 + np.abs(x))


def scaled(x: Vectors) -> Vectors:
    """Qdrant's ``scaled_fast_sigmoid``."""
    return 0.5 * (sigmoid(x) + 1)


def average(
    positive: Sequence[Vectors], negative: Sequence[Vectors], distance: str, weights: Sequence[Sequence[float]]
) -> Any:
    """``avg(positive) + (avg(positive) - avg(negative))``."""
    ready = [
        [v / np.linalg.norm(v) if distance == "cosine" else v for v in examples] for examples in (positive, negative)
    ]
    good = np.average(ready[0], axis=0, weights=weights[0])
    return good + good - np.average(ready[1], axis=0, weights=weights[1]) if negative else good


def best_score(rows: Vectors, positive: Sequence[Vectors], negative: Sequence[Vectors], distance: str) -> Vectors:
    """The nearest example decides."""
    none = np.full(len(rows), -np.inf)
    best = np.max([none, *(similarity(rows, v, distance) for v in positive)], axis=0)
    worst = np.max([none, *(similarity(rows, v, distance) for v in negative)], axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(best > worst, scaled(best), -scaled(worst))


def sum_scores(rows: Vectors, positive: Sequence[Vectors], negative: Sequence[Vectors], distance: str) -> Vectors:
    """The sum of similarities."""
    total = np.zeros(len(rows))
    for sign, examples in ((1, positive), (-1, negative)):
        for example in examples:
            total += sign * similarity(rows, example, distance)
    return total


def discover(rows: Vectors, target: Vectors, pairs: Sequence[tuple[Vectors, Vectors]], distance: str) -> Vectors:
    """The rank by the pairs, and the target among equals."""
    rank = sum(
        (np.sign(similarity(rows, good, distance) - similarity(rows, bad, distance)) for good, bad in pairs),
        start=np.zeros(len(rows)),
    )
    return rank + scaled(similarity(rows, target, distance))


def context(rows: Vectors, pairs: Sequence[tuple[Vectors, Vectors]], distance: str) -> Vectors:
    """What is lost by being on the wrong side of pairs."""
    losses = (
        sigmoid(np.minimum(similarity(rows, good, distance) - similarity(rows, bad, distance) - EPSILON, 0))
        for good, bad in pairs
    )
    return sum(losses, start=np.zeros(len(rows)))


def feedback(
    rows: Vectors,
    query: Vectors,
    judged: Sequence[tuple[Vectors, float]],
    parameters: tuple[float, float, float],
    distance: str,
) -> Vectors:
    """Qdrant's "naive" relevance feedback."""
    a, b, c = parameters
    total = a * similarity(rows, query, distance)
    ordered = sorted(judged, key=lambda item: -item[1])
    for (good, most), (bad, least) in list(zip(ordered, ordered[::-1], strict=True))[: min(3, len(ordered) // 2)]:
        total += (most - least) ** b * c * (similarity(rows, good, distance) - similarity(rows, bad, distance))
    return total


def check_scores(
    found: Sequence[tuple[int, float]],
    scores: Mapping[int, float],
    *,
    limit: int,
    offset: int = 0,
    tolerance: float = 2e-5,
) -> None:
    """Assert that keys with scores are the best of all, in order; what is nearly equal may come in any order."""
    ordered = sorted(scores.values(), reverse=True)
    assert len(found) == max(0, min(limit, len(ordered) - offset))
    assert len({key for key, _ in found}) == len(found)
    for (key, score), expected in zip(found, ordered[offset:], strict=False):
        near = tolerance * max(1.0, abs(expected))
        assert abs(score - scores[key]) <= near, f"{key} has the score {scores[key]}, not {score}"
        assert abs(score - expected) <= near, f"{key} ({score}) stands where {expected} belongs"
    for (key, score), (other, less) in pairwise(found):
        assert (-score, key) < (-less, other), "among equals the key decides"


def check_mmr(
    found: Sequence[tuple[int, float]],
    candidates: Collection[int],
    near: Mapping[int, float],
    vectors: Mapping[int, Vectors],
    *,
    diversity: float,
    distance: str,
    limit: int,
) -> None:
    """Assert that each step took the candidate with the largest marginal relevance, whose value it tells."""
    assert len(found) == min(limit, len(candidates))
    left = sorted(candidates)
    matrix = np.array([vectors[key] for key in left])
    relevance = np.array([near[key] for key in left])
    worst = np.full(len(left), -np.inf)
    taken = np.zeros(len(left), bool)
    for step, (key, score) in enumerate(found):
        values = (1 - diversity) * relevance - (diversity * worst if step else 0)
        place = left.index(key)
        assert not taken[place]
        allowed = relevance if step == 0 else values
        most = allowed[~taken].max()
        near_enough = 2e-5 * max(1.0, abs(most))
        assert abs(allowed[place] - most) <= near_enough, f"step {step}: {key} is not the best"
        assert abs(values[place] - score) <= near_enough
        taken[place] = True
        worst = np.maximum(worst, similarity(matrix, matrix[place], distance))
