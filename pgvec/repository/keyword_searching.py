"""Searches by words, and by words and vectors: a part of the repository."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar, overload

from pgvec.model import (
    Fusion,
    FusionReport,
    Matches,
    Reranking,
)
from pgvec.operations import hybrid, keyword
from pgvec.repository import keyword_arguments, rerank_arguments, shaping_arguments
from pgvec.repository.core import RepositoryCore
from pgvec.repository.embedded_queries import counting

__all__ = ["KeywordSearching"]

M = TypeVar("M")


class KeywordSearching(RepositoryCore[M]):
    """Searches by words, and by words and vectors."""

    @overload
    def keyword_search(
        self,
        text: str,
        *,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        index: str | None = None,
        score: object = None,
        order_by: object = None,
        candidates: int | None = None,
        facets: object = None,
        rerank: Reranking | None = None,
        columns: None = None,
        include_embedding: bool = False,
    ) -> Matches[M]: ...

    @overload
    def keyword_search(
        self,
        text: str,
        *,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        index: str | None = None,
        score: object = None,
        order_by: object = None,
        candidates: int | None = None,
        facets: object = None,
        rerank: Reranking | None = None,
        columns: Sequence[Any],
        include_embedding: bool = False,
    ) -> Matches[Any]: ...

    def keyword_search(
        self,
        text: str,
        *,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        index: str | None = None,
        score: object = None,
        order_by: object = None,
        candidates: int | None = None,
        facets: object = None,
        rerank: Reranking | None = None,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> Matches[Any]:
        """Find the records whose words match a text best, by BM25, in one statement.

        Args:
            text: Words, in any order; a record needs one of them. ``"..."`` requires a phrase, ``word*`` stands for all words
                that begin so. Words are reduced, and stop words left out, as the configuration of the index says.
            where: As for :meth:`search`.
            limit: Most matches to return, from 1 to 100,000.
            offset: Matches to pass over first.
            index: Name of the keyword index, where the table has several.
            score: By what the candidates are ordered, the greatest first: any SQL expression over columns and the search's own
                values (``pgvec.scores``); it becomes ``match.score``.
            order_by: Columns to order the candidates by instead: names (``"-price"`` is descending), attributes, expressions.
            candidates: How many of the best ``score`` and ``order_by`` choose from: 100 by default for a score, and as many as
                are asked for to put those into another order.
            facets: Columns, names, ``facet(...)`` or ``histogram(...)`` to count all rows that match by, beside the matches;
                ``()`` counts only their number, ``total``.
            rerank: As for :meth:`search`.
            columns: As for :meth:`search`.
            include_embedding: As for :meth:`search`.

        Returns:
            The matches, the best first, with ``score``; their ``distance`` is NaN, since no vector was compared.

        Raises:
            InvalidInputError: The text, the condition or an option cannot be used; the subclass says why.
            IndexNotFoundError: The table has no such keyword index, or several.
            MigrationPendingError: The schema ``pgvec`` of this database knows no keyword search.
            QueryError: Postgres refused the statement.
            RerankError: The reranker cannot be reached, or did not answer with one score for each candidate.
        """
        shaping = shaping_arguments.ShapingOptions(score=score, order_by=order_by, candidates=candidates, facets=facets)
        asked = None
        if rerank is not None:
            asked, shaping = rerank_arguments.reordering(
                self._target, rerank, text, shaping, limit=limit, offset=offset
            )
            limit, offset = asked.candidates, 0
        question = keyword_arguments.keyword_question(
            self._target,
            text,
            where=where,
            limit=limit,
            offset=offset,
            index=index,
            columns=columns,
            include_embedding=include_embedding,
            shaping=shaping,
        )
        return self._answered(keyword.keyword_search(self._target, question), asked)

    @overload
    def hybrid_search(
        self,
        text: str,
        *,
        vector: object = None,
        fusion: Fusion | str = Fusion.AUTO,
        weights: Sequence[float] | None = None,
        rrf_k: int = 60,
        candidates: int | None = None,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        index: str | None = None,
        exact: bool = False,
        ef_search: int | None = None,
        score: object = None,
        order_by: object = None,
        facets: object = None,
        rerank: Reranking | None = None,
        columns: None = None,
        include_embedding: bool = False,
    ) -> Matches[M]: ...

    @overload
    def hybrid_search(
        self,
        text: str,
        *,
        vector: object = None,
        fusion: Fusion | str = Fusion.AUTO,
        weights: Sequence[float] | None = None,
        rrf_k: int = 60,
        candidates: int | None = None,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        index: str | None = None,
        exact: bool = False,
        ef_search: int | None = None,
        score: object = None,
        order_by: object = None,
        facets: object = None,
        rerank: Reranking | None = None,
        columns: Sequence[Any],
        include_embedding: bool = False,
    ) -> Matches[Any]: ...

    def hybrid_search(
        self,
        text: str,
        *,
        vector: object = None,
        fusion: Fusion | str = Fusion.AUTO,
        weights: Sequence[float] | None = None,
        rrf_k: int = 60,
        candidates: int | None = None,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        index: str | None = None,
        exact: bool = False,
        ef_search: int | None = None,
        score: object = None,
        order_by: object = None,
        facets: object = None,
        rerank: Reranking | None = None,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> Matches[Any]:
        """Find the records that are nearest or match the words best, in one statement that fuses both.

        Args:
            text: As for :meth:`keyword_search`; it is embedded too, where no vector is given.
            vector: The query vector, where it is not that of the text.
            fusion: ``auto`` (the weight that :meth:`tune_fusion` stored, else equal weights), ``convex``, ``rrf`` or ``dbsf``.
            weights: How much vectors and words count: two numbers. With them, ``auto`` means ``convex``.
            rrf_k: The constant of ``rrf``.
            candidates: How many of the nearest and how many of the best by words are fused; 100 by default, and never fewer
                than are asked for.
            where: As for :meth:`search`.
            limit: Most matches to return, from 1 to 10,000.
            offset: Matches to pass over first.
            index: Name of the keyword index, where the table has several.
            exact: Compare every row that passes the condition instead of asking the vector index.
            ef_search: As for :meth:`search`.
            score: By what the rows of both lists are ordered, as for :meth:`search`.
            order_by: As for :meth:`search`.
            facets: As for :meth:`search`; rows with an embedding match, and rows with some of the words.
            rerank: As for :meth:`search`; of ``candidates``, 50 by default, the best by both are put in order.
            columns: As for :meth:`search`.
            include_embedding: As for :meth:`search`.

        Returns:
            The matches, the best first, with ``score`` and true ``distance`` (NaN for a record without embedding). The receipt
            tells of the vector part.

        Raises:
            InvalidInputError: The text, the vector, the condition or an option cannot be used; the subclass says why.
            ConfigurationError: No vector is given, and the repository has no embedder that fits.
            IndexNotFoundError: The table has no such keyword index, or several.
            MigrationPendingError: The schema ``pgvec`` of this database knows no keyword search.
            QueryError: Postgres refused the statement.
            RerankError: The reranker cannot be reached, or did not answer with one score for each candidate.
        """
        keyword_arguments.keyword_parameters(text, index)
        target, asked = self._target, 0
        if vector is None:
            target, vector, asked = self._embedded(text)
        shaping = shaping_arguments.ShapingOptions(score=score, order_by=order_by, candidates=candidates, facets=facets)
        reorder = None
        if rerank is not None:
            reorder, shaping = rerank_arguments.reordering(
                self._target, rerank, text, shaping, limit=limit, offset=offset
            )
            limit, offset, candidates = reorder.candidates, 0, keyword_arguments.candidates_of(reorder.candidates)
        question = keyword_arguments.hybrid_question(
            target,
            text,
            vector,
            fusion=fusion,
            weights=weights,
            rrf_k=rrf_k,
            candidates=candidates,
            where=where,
            limit=limit,
            offset=offset,
            index=index,
            exact=exact,
            ef_search=ef_search,
            columns=columns,
            include_embedding=include_embedding,
            shaping=shaping,
        )
        question = counting(question, asked)
        return self._answered(hybrid.hybrid_search(target, question), reorder)

    def tune_fusion(
        self,
        queries: Sequence[str],
        relevance: Sequence[Collection[Any]],
        *,
        vectors: Sequence[Any] | None = None,
        index: str | None = None,
        limit: int = 10,
        candidates: int = 100,
        folds: int = 5,
    ) -> FusionReport:
        """Fit the weight of hybrid searches on judged queries, and store it in the database for ``fusion="auto"``.

        The owner of the table may. The weight is stored only if, by cross-validation, it serves queries better that it was not
        fitted on; else the default is.

        Args:
            queries: The texts of the queries.
            relevance: For each query the keys of the relevant records: a set, or a mapping of keys to gains.
            vectors: The vectors of the queries, where they are not those of the texts.
            index: Name of the keyword index, where the table has several.
            limit: How many matches count (nDCG at this rank).
            candidates: As for :meth:`hybrid_search`.
            folds: Into how many parts the queries are dealt.

        Raises:
            InvalidInputError: Queries and judgements do not fit together, or are too few.
            AccessDeniedError: The role does not own the table.
        """
        texts = keyword_arguments.check_queries(queries)
        target = self._target
        if vectors is None:
            target, vectors, _ = self._embedded_queries(texts)
        judged = keyword_arguments.judgements(
            target, texts, vectors, relevance, index=index, limit=limit, candidates=candidates, folds=folds
        )
        recipe = hybrid.tune_fusion(target, judged, index=index, limit=limit, folds=folds)
        return self._driver.run(recipe, self._target)
