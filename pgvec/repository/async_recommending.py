"""Searches by examples: a part of the asynchronous repository."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pgvec.model import (
    Matches,
    RecommendStrategy,
    Target,
)
from pgvec.operations import examples as searching
from pgvec.operations.examples import ExampleQuestion
from pgvec.operations.search import search
from pgvec.repository import arguments, example_arguments
from pgvec.repository.arguments import SearchOptions
from pgvec.repository.async_core import AsyncRepositoryCore
from pgvec.repository.embedded_queries import counting
from pgvec.repository.example_arguments import Examples

__all__ = ["AsyncRecommending"]

M = TypeVar("M")


class AsyncRecommending(AsyncRepositoryCore[M]):
    """Searches by examples."""

    async def recommend(
        self,
        positive: Iterable[object] = (),
        negative: Iterable[object] = (),
        *,
        strategy: RecommendStrategy | str = RecommendStrategy.AVERAGE,
        positive_weights: Sequence[float] | None = None,
        negative_weights: Sequence[float] | None = None,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        candidates: int | None = None,
        exact: bool = False,
        ef_search: int | None = None,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> Matches[Any]:
        """Find records that are like some examples and unlike others, in one statement.

        With ``average`` the search is for ``avg(positive) + (avg(positive) - avg(negative))`` and the matches have a
        distance. The others give a ``score``, by the similarities ``s`` to the examples and with
        ``sigmoid(x) = 0.5 + 0.5 * x / (1 + abs(x))``: ``best_score`` is ``sigmoid(max s)`` of the positive examples where that
        ``max s`` is larger than the one of the negative examples, else ``-sigmoid(max s)`` of the negative ones;
        ``sum_scores`` is the sum of ``s`` over the positive examples less that over the negative ones. ``s`` is the cosine, the
        inner product, the square of the l2 distance with its sign changed, or another distance with its sign changed. Source:
        https://qdrant.tech/documentation/concepts/explore/ and, for the code,
        https://github.com/qdrant/qdrant/blob/master/lib/segment/src/vector_storage/query/reco_query.rs

        Args:
            positive: Examples: records, keys (a value such as ``5``, or a mapping such as ``{"id": "a"}`` where the key is a text
                or has several parts), vectors, or texts (which need an embedder). At most 1,000 in all.
            negative: Examples of what is not wanted.
            strategy: ``average``, ``best_score`` or ``sum_scores``. The latter two work without positive examples, too.
            positive_weights: How much each positive example counts, above 0; 1 by default. With ``best_score`` and
                ``sum_scores`` its similarity is multiplied by it.
            negative_weights: The same for the negative examples.
            where: As for :meth:`search`.
            limit: Most matches to return, from 1 to 100,000.
            offset: Matches to pass over first.
            candidates: How many rows the index finds near each positive example to be scored, where a score is asked for and the
                index is used; 100 by default.
            exact: Compare every row that passes the condition instead of asking the index.
            ef_search: ``hnsw.ef_search`` for this search alone, from 1 to 1,000.
            columns: As for :meth:`search`.
            include_embedding: As for :meth:`search`.

        Returns:
            The matches, the best first, with a receipt. Stored examples are not among them.

        Raises:
            InvalidInputError: An example or an option cannot be used; the subclass says why.
            RecordNotFoundError: An example is not stored, or has no embedding.
            QueryError: Postgres refused the statement.
        """
        asked = example_arguments.recommendation(positive, negative, strategy, positive_weights, negative_weights)
        options = SearchOptions(
            where=where,
            limit=limit,
            offset=offset,
            exact=exact,
            max_distance=None,
            ef_search=ef_search,
            recall=None,
            columns=columns,
            include_embedding=include_embedding,
        )
        searched, question = await self._by_examples(asked, candidates, options)
        return await self._driver.run(searching.search_by_examples(searched, question), self._target)

    async def discover(
        self,
        target: object = None,
        context: Iterable[Sequence[object]] = (),
        *,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        candidates: int | None = None,
        exact: bool = False,
        ef_search: int | None = None,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> Matches[Any]:
        """Find records near a target, within the part of the space that pairs of examples mark, in one statement.

        With ``s`` as for :meth:`recommend`, the score is, for each pair, 1 where ``s`` of its good example is larger than that of
        the bad one and -1 where it is smaller, plus ``0.5 + 0.5 * t / (1 + abs(t))`` where ``t`` is ``s`` of the target.
        Without a target, it is the sum over the pairs of ``d / (1 + abs(d))`` where ``d`` is ``s`` of the good example less that
        of the bad one less 1.2e-7, or 0 if that is more than 0: so 0 for all records that are on the good side of every pair.
        Source: https://qdrant.tech/documentation/concepts/explore/#discovery-api and, for the code,
        https://github.com/qdrant/qdrant/blob/master/lib/segment/src/vector_storage/query/context_query.rs

        Args:
            target: What to look for: an example, as for :meth:`recommend`.
            context: Pairs ``(good, bad)`` of examples.
            where: As for :meth:`search`.
            limit: Most matches to return, from 1 to 100,000.
            offset: Matches to pass over first.
            candidates: How many rows the index finds near the target and each good example to be scored, where the index is used;
                100 by default.
            exact: Compare every row that passes the condition instead of asking the index.
            ef_search: ``hnsw.ef_search`` for this search alone, from 1 to 1,000.
            columns: As for :meth:`search`.
            include_embedding: As for :meth:`search`.

        Returns:
            The matches, the best first and among equals by key, with ``score`` and a receipt. Stored examples are not among them.

        Raises:
            InvalidInputError: An example or an option cannot be used; the subclass says why.
            RecordNotFoundError: An example is not stored, or has no embedding.
            QueryError: Postgres refused the statement.
        """
        asked = example_arguments.discovery(target, context)
        options = SearchOptions(
            where=where,
            limit=limit,
            offset=offset,
            exact=exact,
            max_distance=None,
            ef_search=ef_search,
            recall=None,
            columns=columns,
            include_embedding=include_embedding,
        )
        searched, question = await self._by_examples(asked, candidates, options)
        return await self._driver.run(searching.search_by_examples(searched, question), self._target)

    async def similar(
        self,
        record: object,
        *,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        exact: bool = False,
        max_distance: float | None = None,
        ef_search: int | None = None,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> Matches[Any]:
        """Find the records nearest to a stored one, in one statement; its embedding never leaves the database.

        Args:
            record: A record, or its key: a value, a tuple or a mapping.
            where: As for :meth:`search`, like all that follow.
            limit: Most matches to return.
            offset: Matches to pass over first.
            exact: Compare every row that passes the condition instead of asking the index.
            max_distance: Leave out what is farther away.
            ef_search: ``hnsw.ef_search`` for this search alone.
            columns: Columns or expressions to return as rows instead of records.
            include_embedding: Fetch the embeddings of the records too.

        Returns:
            The matches, nearest first, with a receipt, without the record itself.

        Raises:
            InvalidInputError: The key or an option cannot be used; the subclass says why.
            RecordNotFoundError: The record is not stored, or has no embedding.
            QueryError: Postgres refused the statement.
        """
        options = SearchOptions(
            where=where,
            limit=limit,
            offset=offset,
            exact=exact,
            max_distance=max_distance,
            ef_search=ef_search,
            recall=None,
            columns=columns,
            include_embedding=include_embedding,
        )
        question = arguments.question(self._target, example_arguments.key_or_record(self._target, record), options)
        return await self._driver.run(search(self._target, question), self._target)

    async def refine(
        self,
        query: object,
        *,
        relevant: Iterable[object] = (),
        irrelevant: Iterable[object] = (),
        alpha: float = 1.0,
        beta: float = 0.75,
        gamma: float = 0.15,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        exact: bool = False,
        ef_search: int | None = None,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> Matches[Any]:
        """Search again, with a query that moves towards relevant rows and away from irrelevant ones, in one statement.

        The query is ``alpha * query + beta * avg(relevant) - gamma * avg(irrelevant)``, for the cosine distance of vectors brought
        to the length 1. Source: Rocchio, "Relevance feedback in information retrieval", 1971; the defaults are those of
        https://nlp.stanford.edu/IR-book/html/htmledition/the-rocchio71-algorithm-1.html

        Args:
            query: What was asked: an example, as for :meth:`recommend`.
            relevant: Rows that answer it, as examples.
            irrelevant: Rows that do not.
            alpha: How much the query counts.
            beta: How much the relevant rows count.
            gamma: How much the irrelevant rows count.
            where: As for :meth:`search`, like all that follow.
            limit: Most matches to return.
            offset: Matches to pass over first.
            exact: Compare every row that passes the condition instead of asking the index.
            ef_search: ``hnsw.ef_search`` for this search alone.
            columns: Columns or expressions to return as rows instead of records.
            include_embedding: Fetch the embeddings of the records too.

        Returns:
            The matches, nearest first, with a receipt. Rows that were judged are not among them.

        Raises:
            InvalidInputError: An example or an option cannot be used; the subclass says why.
            RecordNotFoundError: A row that was judged is not stored, or has no embedding.
            QueryError: Postgres refused the statement.
        """
        asked = example_arguments.refinement(query, relevant, irrelevant, alpha=alpha, beta=beta, gamma=gamma)
        options = SearchOptions(
            where=where,
            limit=limit,
            offset=offset,
            exact=exact,
            max_distance=None,
            ef_search=ef_search,
            recall=None,
            columns=columns,
            include_embedding=include_embedding,
        )
        searched, question = await self._by_examples(asked, None, options)
        return await self._driver.run(searching.search_by_examples(searched, question), self._target)

    async def feedback(
        self,
        query: object,
        judged: Iterable[Sequence[Any]],
        *,
        a: float = 1.0,
        b: float = 1.0,
        c: float = 1.0,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        candidates: int | None = None,
        exact: bool = False,
        ef_search: int | None = None,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> Matches[Any]:
        """Search again, by the scores that a better judge (a re-ranker, a person) gave to some rows, in one statement.

        Rows are paired, the highest score with the lowest, the next highest with the next lowest, at most three pairs. With ``s``
        as for :meth:`recommend` the score is ``a * s(query)`` plus, for each pair,
        ``(difference of its scores) ** b * c * (s(higher) - s(lower))``. Source: the strategy "naive" of
        https://qdrant.tech/documentation/concepts/search-relevance/#relevance-feedback and, for the code,
        https://github.com/qdrant/qdrant/blob/master/lib/segment/src/vector_storage/query/feedback_query.rs

        Args:
            query: What was asked: an example, as for :meth:`recommend`.
            judged: Pairs ``(row, score)``: the rows as examples, the scores larger for better rows.
            a: How much the query counts.
            b: How fast the difference between two scores counts.
            c: How much the pairs count.
            where: As for :meth:`search`, like all that follow but ``candidates``.
            limit: Most matches to return.
            offset: Matches to pass over first.
            candidates: As for :meth:`recommend`.
            exact: Compare every row that passes the condition instead of asking the index.
            ef_search: ``hnsw.ef_search`` for this search alone.
            columns: Columns or expressions to return as rows instead of records.
            include_embedding: Fetch the embeddings of the records too.

        Returns:
            The matches, the best first, with ``score`` and a receipt. Rows that were judged are not among them.

        Raises:
            InvalidInputError: An example, a score or an option cannot be used; the subclass says why.
            RecordNotFoundError: A row that was judged is not stored, or has no embedding.
            QueryError: Postgres refused the statement.
        """
        asked = example_arguments.feedback(query, judged, a=a, b=b, c=c)
        options = SearchOptions(
            where=where,
            limit=limit,
            offset=offset,
            exact=exact,
            max_distance=None,
            ef_search=ef_search,
            recall=None,
            columns=columns,
            include_embedding=include_embedding,
        )
        searched, question = await self._by_examples(asked, candidates, options)
        return await self._driver.run(searching.search_by_examples(searched, question), self._target)

    async def _by_examples(
        self, asked: Examples, candidates: int | None, options: SearchOptions
    ) -> tuple[Target, ExampleQuestion]:
        """Check the arguments of a search by examples, and embed those that are texts."""
        target, values, statements = await self._embedded_queries(asked.given)
        question = example_arguments.question(target, asked, values, candidates, options)
        return target, counting(question, statements)
