"""How examples say what is looked for."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["RecommendStrategy"]


class RecommendStrategy(StrEnum):
    """How positive and negative examples become an order of the rows.

    The names and formulas are Qdrant's: https://qdrant.tech/documentation/concepts/explore/#recommendation-api
    """

    AVERAGE = "average"
    """The nearest to ``avg(positive) + (avg(positive) - avg(negative))``: a search like any other."""
    BEST_SCORE = "best_score"
    """By the nearest example: the positive ones draw, and a negative one that is nearer than they are pushes away."""
    SUM_SCORES = "sum_scores"
    """By the sum of the similarities to the positive examples, less that to the negative ones."""
