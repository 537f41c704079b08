"""Finds the passages for a question, on SQLAlchemy's synchronous API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from pgvec.execution.session import Bind
from pgvec.model import Embedder
from pgvec.rag.arguments import read_tables
from pgvec.rag.context import Context
from pgvec.rag.retrieval import Retrieval, RetrievalOptions
from pgvec.repository import Repository

__all__ = ["Retriever"]


class Retriever:
    """Finds the passages for a question: by vectors, and by words where the chunks declare a ``KeywordIndex``.

    Given a session or a connection, it takes part in its transaction and never commits.

    Args:
        bind: A ``Session``, ``Connection`` or ``Engine`` on PostgreSQL through psycopg 3.
        chunk_model: A mapped class with :class:`ChunkMixin` and an embedding.
        embedder: Embeds the question: the one that embedded the chunks.
        column: The embedding column, where the chunks have several.
        keyword_index: Name of the keyword index, where the chunks have several.
        count_tokens: Counts the tokens of a text as the model does that will read the passages. By default the embedder counts,
            and one that cannot takes four characters for a token.

    Raises:
        MappingError: The class is none of chunks.
        DimensionMismatchError: The embedder makes vectors of another length.
    """

    def __init__(
        self,
        bind: Bind,
        chunk_model: type[Any],
        *,
        embedder: Embedder,
        column: Any | None = None,
        keyword_index: str | None = None,
        count_tokens: Callable[[str], int] | None = None,
    ) -> None:
        tables = read_tables(chunk_model, column, embedder)
        self._retrieval = Retrieval(tables, embedder, keyword_index, count_tokens)
        self._chunks = Repository(bind, chunk_model, column=column, embedder=embedder)

    def retrieve(
        self,
        question: str,
        *,
        where: object = None,
        corpus: str | None = None,
        limit: int = 6,
        neighbours: int = 1,
        whole_documents: bool = False,
        max_tokens: int = 3_000,
        min_similarity: float | None = 0.2,
        half_life: str | timedelta | None = None,
        recency_weight: float = 0.3,
        weights: Sequence[float] | None = None,
        vector: object = None,
    ) -> Context:
        """Find the passages for a question, in one statement.

        Args:
            question: The question, in words.
            where: A condition on chunks or their documents, as for ``Repository.search``.
            corpus: Only documents of this corpus.
            limit: Most chunks to take, from 1 to 1,000; equal ones are taken once.
            neighbours: How many chunks before and behind each to add. Passages of a document that meet become one.
            whole_documents: Whether to take the whole document of each chunk instead.
            max_tokens: Most tokens of all passages together. What does not fit comes without its neighbours, or not at all.
            min_similarity: Chunks that are less similar than this are no answer; for the cosine distance. The default suits
                all-MiniLM-L6-v2, by which texts on different things are less similar; None takes all.
            half_life: By which age of a document its recency has halved, such as ``"90 days"``; None leaves it out.
            recency_weight: How much of the score recency decides, above 0 and at most 1.
            weights: How much vectors and words count, as for ``Repository.hybrid_search``.
            vector: The vector of the question, where it is there already.

        Raises:
            InvalidInputError: The question, the condition or an option cannot be used.
            QueryError: Postgres refused the statement.
        """
        options = RetrievalOptions(
            where,
            corpus,
            limit,
            neighbours,
            whole_documents,
            max_tokens,
            min_similarity,
            half_life,
            recency_weight,
            weights,
            vector,
        )
        asked = self._retrieval.ask(question, options)
        found = getattr(self._chunks, asked.method)(asked.query, **asked.arguments)
        return self._retrieval.context(question, options, found)
