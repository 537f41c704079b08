"""By what a search orders rows, where that is not the distance alone: values that decide the text of its statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from pgvec.model import Fusion

__all__ = ["INDEX", "NEAR_WEIGHT", "TEXT", "WORDS_WEIGHT", "HybridScoring", "KeywordScoring", "Scoring"]

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


Scoring: TypeAlias = KeywordScoring | HybridScoring
