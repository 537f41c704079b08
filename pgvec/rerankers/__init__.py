"""Models that reorder matches: the protocols, the ones that pgvec brings, and what helps to write one."""

from pgvec.model import AsyncReranker, Rerank, Reranker
from pgvec.rerankers.checks import check_scores
from pgvec.rerankers.cross_encoder import CrossEncoderReranker
from pgvec.rerankers.http import AsyncHttpReranker, HttpReranker

__all__ = [
    "AsyncHttpReranker",
    "AsyncReranker",
    "CrossEncoderReranker",
    "HttpReranker",
    "Rerank",
    "Reranker",
    "check_scores",
]
