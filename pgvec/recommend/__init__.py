"""Recommendations that follow taste: what users did, in a table of the user's own, and what they may like next."""

from pgvec.recommend.async_recommender import AsyncRecommender
from pgvec.recommend.evaluation import EvaluationReport, Event, evaluate, temporal_split
from pgvec.recommend.recommender import Recommender
from pgvec.recommend.tables import WEIGHTS, InteractionMixin
from pgvec.recommend.values import Origin, Reason, Recommendation, Recommendations, SimilarUser

__all__ = [
    "WEIGHTS",
    "AsyncRecommender",
    "EvaluationReport",
    "Event",
    "InteractionMixin",
    "Origin",
    "Reason",
    "Recommendation",
    "Recommendations",
    "Recommender",
    "SimilarUser",
    "evaluate",
    "temporal_split",
]
