"""nDCG and recall of rankings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

__all__ = ["mean_ndcg", "mean_recall"]


def mean_ndcg(rankings: Sequence[Sequence[str]], relevant: Sequence[AbstractSet[str]], limit: int = 10) -> float:
    """Return the mean nDCG at ``limit``; every relevant text gains 1."""
    return sum(_ndcg(ranking[:limit], wanted, limit) for ranking, wanted in zip(rankings, relevant, strict=True)) / len(
        rankings
    )


def mean_recall(rankings: Sequence[Sequence[str]], relevant: Sequence[AbstractSet[str]], limit: int = 100) -> float:
    """Return the mean share of the relevant texts that are among the first ``limit``."""
    return sum(
        len(wanted & set(ranking[:limit])) / len(wanted) for ranking, wanted in zip(rankings, relevant, strict=True)
    ) / len(rankings)


def _ndcg(ranking: Sequence[str], wanted: AbstractSet[str], limit: int) -> float:
    gained = sum(1 / math.log2(place + 2) for place, key in enumerate(ranking) if key in wanted)
    return gained / sum(1 / math.log2(place + 2) for place in range(min(limit, len(wanted))))
