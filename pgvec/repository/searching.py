"""Searches by vectors: a part of the repository."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, overload

from pgvec.model import (
    Explanation,
    Match,
    Matches,
    Reranking,
    Target,
)
from pgvec.operations import search as searching
from pgvec.operations import shaped
from pgvec.operations.examples import diverse_search
from pgvec.operations.explain import explain
from pgvec.operations.search import Question
from pgvec.repository import arguments, rerank_arguments, shaping_arguments
from pgvec.repository.core import RepositoryCore
from pgvec.repository.diverse_arguments import diverse_question
from pgvec.repository.embedded_queries import counting

__all__ = ["Searching"]

M = TypeVar("M")


class Searching(RepositoryCore[M]):
    """Searches by vectors."""

    @overload
    def search(
        self,
        query: object,
        *,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        after: Match[Any] | None = None,
        exact: bool = False,
        max_distance: float | None = None,
        ef_search: int | None = None,
        recall: float | None = None,
        score: object = None,
        order_by: object = None,
        diversity: float | None = None,
        candidates: int | None = None,
        facets: object = None,
        rerank: Reranking | None = None,
        columns: None = None,
        include_embedding: bool = False,
    ) -> Matches[M]: ...

    @overload
    def search(
        self,
        query: object,
        *,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        after: Match[Any] | None = None,
        exact: bool = False,
        max_distance: float | None = None,
        ef_search: int | None = None,
        recall: float | None = None,
        score: object = None,
        order_by: object = None,
        diversity: float | None = None,
        candidates: int | None = None,
        facets: object = None,
        rerank: Reranking | None = None,
        columns: Sequence[Any],
        include_embedding: bool = False,
    ) -> Matches[Any]: ...

    def search(
        self,
        query: object,
        *,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        after: Match[Any] | None = None,
        exact: bool = False,
        max_distance: float | None = None,
        ef_search: int | None = None,
        recall: float | None = None,
        score: object = None,
        order_by: object = None,
        diversity: float | None = None,
        candidates: int | None = None,
        facets: object = None,
        rerank: Reranking | None = None,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> Matches[Any]:
        """Find the nearest records, in one statement.

        Args:
            query: A vector (list, tuple, NumPy array, pgvector object), a text, an :class:`~pgvec.Image` or an
                :class:`~pgvec.Audio` (these need an embedder), or a stored record, which is then left out of its own answer.
            where: A condition: any boolean expression of SQLAlchemy on the model or on related models, or a mapping in
                the JSON filter language (docs/filters.md).
            limit: Most matches to return, from 1 to 100,000.
            offset: Matches to pass over first.
            after: The last match of the page before: returns what comes behind it. Unlike with ``offset``, no match is
                repeated however many rows were inserted meanwhile.
            exact: Compare every row that passes the condition instead of asking the index.
            max_distance: Leave out what is farther away, in the unit that the distance operator returns.
            ef_search: ``hnsw.ef_search`` for this search alone, from 1 to 1,000.
            recall: Share of the true nearest that an approximate answer shall contain, above 0 to 1: takes the smallest
                ``ef_search`` that ``tune`` found to reach it on this index. By default 0.95 where that was tuned.
            score: By what the candidates are ordered, the greatest first: any SQL expression over columns and the search's own
                values (``pgvec.scores``); it becomes ``match.score``.
            order_by: Columns to order the candidates by instead: names (``"-price"`` is descending), attributes, expressions.
            diversity: From 0 to 1: how much a match shall differ from those before it (maximal marginal relevance: Carbonell and
                Goldstein 1998, with lambda = 1 - diversity). The matches come in the order in which they were chosen, and
                ``match.score`` is ``(1 - diversity) * s(query) - diversity * max s(matches before)``, with ``s`` as for
                :meth:`recommend`. Not together with ``score``, ``order_by`` and ``facets``.
            candidates: How many of the nearest ``score``, ``order_by`` and ``diversity`` choose from: 100 by default for a score
                and for diversity, and as many as are asked for to put those into another order.
            facets: Columns, names, ``facet(...)`` or ``histogram(...)`` to count all rows that match by, beside the matches;
                ``()`` counts only their number, ``total``.
            rerank: A model that puts the candidates, 50 by default, in order by their texts and the text of the query
                (``pgvec.rerankers``); its score becomes ``match.score``. ``Rerank(model, columns=..., query=...)`` says what it
                reads, where that is not what the embedding is made from. It is asked after the statement.
            columns: Columns or expressions to return as rows instead of records.
            include_embedding: Fetch the embeddings of the records too.

        Returns:
            The matches, nearest first, with a receipt that says how they were found. There are
            ``min(limit, matching rows)`` of them where ``receipt.complete`` is true.

        Raises:
            InvalidInputError: The query, the condition or an option cannot be used; the subclass says why.
            RecordNotFoundError: The query is a record that is not stored, or has no embedding.
            SchemaError: The extension ``vector`` is missing or too old.
            QueryError: Postgres refused the statement.
            RerankError: The reranker cannot be reached, or did not answer with one score for each candidate.
        """
        options = arguments.SearchOptions(
            where=where,
            limit=limit,
            offset=offset,
            after=after,
            exact=exact,
            max_distance=max_distance,
            ef_search=ef_search,
            recall=recall,
            columns=columns,
            include_embedding=include_embedding,
        )
        shaping = shaping_arguments.ShapingOptions(score=score, order_by=order_by, candidates=candidates, facets=facets)
        reorder = None
        if rerank is not None:
            reorder, shaping = rerank_arguments.reordering(
                self._target, rerank, query, shaping, limit=limit, offset=offset, after=after
            )
            options = replace(options, limit=reorder.candidates, offset=0)
        if diversity is not None:
            target, vector, asked = self._embedded(query)
            chosen = diverse_question(target, vector, options, shaping, diversity)
            return self._answered(diverse_search(target, counting(chosen, asked)), reorder)
        target, question = self._question(query, options, shaping)
        return self._answered(shaped.search(target, question), reorder)

    def explain(
        self,
        query: object,
        *,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        after: Match[Any] | None = None,
        exact: bool = False,
        max_distance: float | None = None,
        ef_search: int | None = None,
        recall: float | None = None,
        score: object = None,
        order_by: object = None,
        candidates: int | None = None,
        facets: object = None,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
        analyze: bool = False,
    ) -> Explanation:
        """Tell what :meth:`search` would do with the same arguments, and why.

        Args:
            query: As for :meth:`search`, like all that follow but the last.
            where: A condition.
            limit: Most matches to return.
            offset: Matches to pass over first.
            after: The last match of the page before.
            exact: Compare every row that passes the condition.
            max_distance: Leave out what is farther away.
            ef_search: ``hnsw.ef_search`` for this search alone.
            recall: Share of the true nearest that an approximate answer shall contain.
            score: By what the candidates are ordered.
            order_by: Columns to order the candidates by instead.
            candidates: How many of the nearest those two choose from.
            facets: What to count beside the matches.
            columns: Columns or expressions to return as rows.
            include_embedding: Fetch the embeddings of the records too.
            analyze: Run the statement, so that the plan tells what happened, with times.

        Returns:
            The strategy, its reasons and figures, the statement and Postgres' plan of it; ``str()`` is for people and
            ``to_dict()`` for programs. Criteria that listeners of the session add to a search are not in it.
        """
        target, question = self._question(
            query,
            arguments.SearchOptions(
                where=where,
                limit=limit,
                offset=offset,
                after=after,
                exact=exact,
                max_distance=max_distance,
                ef_search=ef_search,
                recall=recall,
                columns=columns,
                include_embedding=include_embedding,
            ),
            shaping_arguments.ShapingOptions(score=score, order_by=order_by, candidates=candidates, facets=facets),
        )
        return self._driver.run(explain(target, question, analyze=bool(analyze)), self._target)

    def search_many(
        self,
        queries: Iterable[object],
        *,
        where: object = None,
        limit: int = 10,
        exact: bool = False,
        max_distance: float | None = None,
        ef_search: int | None = None,
        recall: float | None = None,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> list[Matches[Any]]:
        """Find the nearest records to each of many queries, in one statement.

        Args:
            queries: Vectors, or texts (which need an embedder and are embedded together); at most 10,000.
            where: A condition, the same for all, as for :meth:`search`.
            limit: Most matches to return for each query.
            exact: Compare every row that passes the condition instead of asking the index.
            max_distance: Leave out what is farther away.
            ef_search: ``hnsw.ef_search`` for this search alone.
            recall: As for :meth:`search`.
            columns: Columns or expressions to return as rows instead of records.
            include_embedding: Fetch the embeddings of the records too.

        Returns:
            The matches of each query, in the order of the queries, each with a receipt of its own.

        Raises:
            InvalidInputError: A query, the condition or an option cannot be used; the subclass says why.
        """
        target, vectors, asked = self._embedded_queries(queries)
        if not vectors:
            return []
        question = arguments.question_of_many(
            target,
            vectors,
            arguments.SearchOptions(
                where=where,
                limit=limit,
                exact=exact,
                max_distance=max_distance,
                ef_search=ef_search,
                recall=recall,
                columns=columns,
                include_embedding=include_embedding,
            ),
        )
        return self._driver.run(searching.search_many(target, counting(question, asked)), self._target)

    def _question(
        self,
        query: object,
        options: arguments.SearchOptions,
        shaping: shaping_arguments.ShapingOptions,
    ) -> tuple[Target, Question]:
        """Check the arguments of a search, and embed a query that is a text; return what is searched, too."""
        target, vector, asked = self._embedded(query)
        question = shaping_arguments.shaped_question(target, vector, options, shaping)
        return target, counting(question, asked)
