"""By what a search orders rows, where that is not the distance alone: values that decide the text of its statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["INDEX", "TEXT", "KeywordScoring", "Scoring"]

TEXT = "pgvec_text"
INDEX = "pgvec_index"


@dataclass(frozen=True, slots=True)
class KeywordScoring:
    """By BM25 alone.

    Attributes:
        pushed: Whether the index itself may stop at the limit, because nothing else chooses among the rows.
    """

    pushed: bool = False


Scoring: TypeAlias = KeywordScoring
