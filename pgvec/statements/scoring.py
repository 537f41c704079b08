"""By what a search orders rows, where that is not the distance alone: values that decide the text of its statement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from pgvec.model import Fusion
from pgvec.statements.events import TasteScoring

__all__ = [
    "INDEX",
    "NEAR_WEIGHT",
    "TEXT",
    "WORDS_WEIGHT",
    "DiverseScoring",
    "ExampleScoring",
    "Formula",
    "HybridScoring",
    "KeywordScoring",
    "Scoring",
]

TEXT = "pgvec_text"
INDEX = "pgvec_index"
NEAR_WEIGHT = "pgvec_near_weight"
WORDS_WEIGHT = "pgvec_words_weight"


@dataclass(frozen=True, slots=True)
class KeywordScoring:
    """By BM25 alone.

    Attributes:
        pushed: Whether the index itself may stop at the limit, because nothing else chooses among the rows.
    """

    pushed: bool = False


@dataclass(frozen=True, slots=True)
class HybridScoring:
    """By distance and BM25. The shape of the search is that of its vector part, whose limit is the number of candidates.

    Attributes:
        fusion: How the two become one score.
        limit: Most rows to return.
        offset: Rows to pass over first.
        rrf_k: The constant of reciprocal rank fusion.
        pushed: As for :class:`KeywordScoring`.
    """

    fusion: Fusion
    limit: int
    offset: int = 0
    rrf_k: int = 60
    pushed: bool = False


class Formula(StrEnum):
    """How examples become a score. ``s`` is the similarity of a row and an example, ``sigmoid(x) = x / (1 + abs(x))``."""

    SUM_OF_VECTORS = "sum_of_vectors"
    """No score: the search is for the weighted sum of the examples' vectors, by distance."""
    BEST_SCORE = "best_score"
    """``0.5 + 0.5 * sigmoid(max s)`` of the positive examples where their ``max s`` is larger than that of the negative ones,
    else minus the same of the negative ones."""
    SUM_SCORES = "sum_scores"
    """The sum of ``s`` of the positive examples, less that of the negative ones."""
    DISCOVER = "discover"
    """For each pair 1 where ``s`` of its positive example is larger, -1 where it is smaller; and
    ``0.5 + 0.5 * sigmoid(s)`` of the target."""
    CONTEXT = "context"
    """The sum over the pairs of ``sigmoid(min(s of the positive - s of the negative - epsilon, 0))``."""


@dataclass(frozen=True, slots=True)
class ExampleScoring:
    """By examples.

    Attributes:
        formula: How they become a score.
        by_key: Whether some examples are stored rows, named by their keys.
        candidates: How many rows the index finds for each example, to be scored.
    """

    formula: Formula
    by_key: bool
    candidates: int = 0


@dataclass(frozen=True, slots=True)
class DiverseScoring:
    """By distance, and by how different a row is from those before it. The limit of the shape is the number of candidates.

    Attributes:
        limit: Most rows to return.
        offset: Rows to pass over first.
    """

    limit: int
    offset: int = 0


Scoring: TypeAlias = KeywordScoring | HybridScoring | ExampleScoring | DiverseScoring | TasteScoring
