"""How results of a vector search and of a keyword search become one order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Fusion", "FusionReport"]


class Fusion(StrEnum):
    """How distance and keyword score are fused."""

    AUTO = "auto"
    """Convex, by the weight that :meth:`Repository.tune_fusion` stored, else by equal weights."""
    CONVEX = "convex"
    """A weighted mean of distance and score, each spread from 0 to 1 over the candidates."""
    RRF = "rrf"
    """Reciprocal rank fusion: the sum of ``1 / (rrf_k + rank)``."""
    DBSF = "dbsf"
    """Distribution-based score fusion: the sum of both, each scaled by mean and three standard deviations of its list."""


@dataclass(frozen=True, slots=True)
class FusionReport:
    """What fitting the weight of the fusion found.

    Attributes:
        weight: Weight of the vectors that is stored; that of the words is ``1 - weight``.
        default_ndcg: nDCG of the default weight on all queries.
        tuned_ndcg: nDCG of fitted weights on queries that they were not fitted on.
        improves: Whether fitting is better than the default; if not, the default is what is stored.
        queries: How many queries were judged.
        limit: How many matches of each query count.
    """

    weight: float
    default_ndcg: float
    tuned_ndcg: float
    improves: bool
    queries: int
    limit: int
