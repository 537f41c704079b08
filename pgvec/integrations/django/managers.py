"""The manager and the queryset of models with embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from django.db import models
from django.db.models.query import ModelIterable

from pgvec.errors import InvalidInputError, InvalidOptionError, RecordNotFoundError
from pgvec.integrations.django.distances import VectorDistance, query_vector
from pgvec.integrations.django.questions import Asked, ByBoth, ByExamples, ByVector, ByWords, embedded
from pgvec.integrations.django.reading import read_model
from pgvec.integrations.django.search import DEFAULT_LIMIT, EmbeddingSearch
from pgvec.model import Distance, Embedder, Fusion, RecommendStrategy, StoredRecord, Target
from pgvec.repository import example_arguments
from pgvec.repository.arguments import SearchOptions, is_vector_text

__all__ = ["EmbeddingManager", "EmbeddingQuerySet"]


class EmbeddingQuerySet(models.QuerySet):
    """A queryset that searches by meaning what its conditions leave."""

    def search(
        self,
        query: object,
        *,
        column: str | None = None,
        distance: Distance | str | None = None,
        exact: bool = False,
        max_distance: float | None = None,
        ef_search: int | None = None,
        recall: float | None = None,
        include_embedding: bool = False,
        embedder: Embedder | None = None,
    ) -> EmbeddingSearch[Any]:
        """Find the nearest records among those that this queryset selects; nothing is sent before the answer is needed.

        Args:
            query: A text (needs an embedder), a vector (list, tuple, NumPy array, pgvector object), or a stored record, which is
                then left out of its own answer.
            column: Name of the embedding field, where the model has several.
            distance: The distance, where the field declares none, or another than it declares.
            exact: Compare every row that passes the conditions instead of asking the index.
            max_distance: Leave out what is farther away, in the unit that the distance operator returns.
            ef_search: ``hnsw.ef_search`` for this search alone, from 1 to 1,000.
            recall: Share of the true nearest that an approximate answer shall contain, above 0 to 1: takes the smallest
                ``ef_search`` that ``tune`` found to reach it on this index. By default 0.95 where that was tuned.
            include_embedding: Fetch the embeddings of the records too; else they are deferred.
            embedder: Turns a text into a vector; by default the one that the setting ``PGVEC["EMBEDDER"]`` names.

        Returns:
            A search that is sliced for its limit (10 without), iterated for its records, and asked for its receipt.

        Raises:
            MappingError: The model cannot be searched; the subclass says why.
            InvalidOptionError: This queryset asks for what a search cannot keep. Other errors come with the answer.
        """
        target = read_model(self.model, column=column, distance=distance)
        options = _options(
            exact=exact,
            max_distance=max_distance,
            ef_search=ef_search,
            recall=recall,
            include_embedding=include_embedding,
        )
        if isinstance(query, models.Model):
            query = _stored(query, target, self.model)
        return self._begin(target, ByVector(query, embedder), options)

    def similar(self, record: object, **options: Any) -> EmbeddingSearch[Any]:
        """Find the records nearest to a stored one, which is left out; its embedding never leaves the database.

        Args:
            record: An instance of the model, or the primary key of one.
            options: As for :meth:`search`.

        Raises:
            RecordNotFoundError: The record is not stored yet.
        """
        target = read_model(self.model, column=options.get("column"), distance=options.get("distance"))
        return self.search(_stored(record, target, self.model), **options)

    def hybrid_search(
        self,
        text: str,
        *,
        vector: object = None,
        fusion: Fusion | str = Fusion.AUTO,
        weights: Sequence[float] | None = None,
        rrf_k: int = 60,
        candidates: int | None = None,
        index: str | None = None,
        column: str | None = None,
        distance: Distance | str | None = None,
        exact: bool = False,
        ef_search: int | None = None,
        include_embedding: bool = False,
        embedder: Embedder | None = None,
    ) -> EmbeddingSearch[Any]:
        """Find the records that are nearest or match the words best, in one statement that fuses both.

        Args:
            text: The words; a record needs one of them. ``"..."`` requires a phrase, ``word*`` stands for all words that begin
                so. It is embedded too, where no vector is given.
            vector: The query vector, where it is not that of the text.
            fusion: ``auto`` (the weight that ``tune_fusion`` of a repository stored, else equal weights), ``convex``, ``rrf`` or
                ``dbsf``.
            weights: How much vectors and words count: two numbers. With them, ``auto`` means ``convex``.
            rrf_k: The constant of ``rrf``.
            candidates: How many of the nearest and how many of the best by words are fused; 100 by default, and never fewer
                than are asked for.
            index: Name of the ``KeywordIndex``, where the model has several.
            column: As for :meth:`search`, like all that follow.
            distance: Another distance than the field declares.
            exact: Compare every row that passes the conditions instead of asking the vector index.
            ef_search: ``hnsw.ef_search`` for this search alone.
            include_embedding: Fetch the embeddings of the records too.
            embedder: Turns the text into a vector.

        Returns:
            A search, the best first, whose records have a ``score`` and a ``distance`` (NaN without embedding). Its receipt tells
            of the vector part.

        Raises:
            MappingError: The model cannot be searched; the subclass says why.
            InvalidOptionError: This queryset asks for what a search cannot keep.
            IndexNotFoundError: With the answer: the model has no such keyword index, or several.
        """
        target = read_model(self.model, column=column, distance=distance)
        options = _options(exact=exact, ef_search=ef_search, include_embedding=include_embedding)
        asked = ByBoth(text, vector, embedder, index, fusion, weights, rrf_k, candidates)
        return self._begin(target, asked, options)

    def keyword_search(
        self, text: str, *, index: str | None = None, column: str | None = None, include_embedding: bool = False
    ) -> EmbeddingSearch[Any]:
        """Find the records whose words match a text best, by BM25, in one statement.

        Args:
            text: As for :meth:`hybrid_search`.
            index: Name of the ``KeywordIndex``, where the model has several.
            column: As for :meth:`search`.
            include_embedding: As for :meth:`search`.

        Returns:
            A search, the best first, whose records have a ``score``; their distance is NaN, since no vector was compared.

        Raises:
            MappingError: The model has no embedding field, or several, so that its table is not known.
            InvalidOptionError: This queryset asks for what a search cannot keep.
            IndexNotFoundError: With the answer: the model has no such keyword index, or several.
        """
        target = read_model(self.model, column=column)
        return self._begin(target, ByWords(text, index), _options(include_embedding=include_embedding))

    def recommend(
        self,
        positive: Iterable[object] = (),
        negative: Iterable[object] = (),
        *,
        strategy: RecommendStrategy | str = RecommendStrategy.AVERAGE,
        positive_weights: Sequence[float] | None = None,
        negative_weights: Sequence[float] | None = None,
        candidates: int | None = None,
        column: str | None = None,
        distance: Distance | str | None = None,
        exact: bool = False,
        ef_search: int | None = None,
        include_embedding: bool = False,
        embedder: Embedder | None = None,
    ) -> EmbeddingSearch[Any]:
        """Find records that are like some examples and unlike others, in one statement.

        Args:
            positive: Examples: records, primary keys (where those are texts, as a mapping such as ``{"id": "a"}``), vectors, or
                texts. At most 1,000 in all. A queryset gives its records.
            negative: Examples of what is not wanted.
            strategy: ``average``, ``best_score`` or ``sum_scores``, as ``Repository.recommend`` explains. The latter two give a
                ``score`` and work without positive examples, too.
            positive_weights: How much each positive example counts, above 0; 1 by default.
            negative_weights: The same for the negative examples.
            candidates: How many rows the index finds near each positive example to be scored, where a score is asked for; 100 by
                default.
            column: As for :meth:`search`, like all that follow.
            distance: Another distance than the field declares.
            exact: Compare every row that passes the conditions instead of asking the index.
            ef_search: ``hnsw.ef_search`` for this search alone.
            include_embedding: Fetch the embeddings of the records too.
            embedder: Turns texts into vectors.

        Returns:
            A search, the best first. Stored examples are not among its records.

        Raises:
            InvalidInputError: An example or an option cannot be used.
            RecordNotFoundError: A record is not stored yet; with the answer: an example has no embedding.
        """
        target = read_model(self.model, column=column, distance=distance)
        options = _options(exact=exact, ef_search=ef_search, include_embedding=include_embedding)
        examples = example_arguments.recommendation(
            _examples(positive, target, self.model),
            _examples(negative, target, self.model),
            strategy,
            positive_weights,
            negative_weights,
        )
        return self._begin(target, ByExamples(examples, candidates, embedder), options)

    def annotate_distance(
        self,
        query: object,
        *,
        column: str | None = None,
        distance: Distance | str | None = None,
        embedder: Embedder | None = None,
        alias: str = "distance",
    ) -> Self:
        """Annotate every record with its distance: a plain expression, to be filtered, ordered and combined like any other.

        Ordered by it and sliced, Postgres may answer from the vector index, but may then find too few rows where there are
        conditions. :meth:`search` does not.

        Args:
            query: As for :meth:`search`, or a database expression.
            column: As for :meth:`search`.
            distance: As for :meth:`search`.
            embedder: As for :meth:`search`.
            alias: Name of the annotation.
        """
        target = read_model(self.model, column=column, distance=distance)
        if isinstance(query, str) and not is_vector_text(target, query):
            query = embedded(target, embedder, query)
        vector = query_vector(target, query)
        return self.annotate(**{alias: VectorDistance(target.column.attribute, vector, target)})  # type: ignore[no-any-return]

    def _begin(self, target: Target, asked: Asked, options: SearchOptions) -> EmbeddingSearch[Any]:
        self._refuse_what_a_search_cannot_keep()
        return EmbeddingSearch(self._chain(), target, asked, options)

    def _refuse_what_a_search_cannot_keep(self) -> None:
        query = self.query
        reasons = {
            "a slice": query.is_sliced,
            "union(), intersection() or difference()": query.combinator,
            "order_by()": query.order_by or query.extra_order_by,
            "distinct() by fields": query.distinct_fields,
            "values() or values_list()": self._iterable_class is not ModelIterable,
            "select_for_update()": query.select_for_update,
            "extra(select=...)": query.extra_select,
            "select_related() without names": query.select_related is True,
            "annotate(); use alias() for what a condition needs, and annotate the records afterwards": query.annotation_select,
        }
        for what, found in reasons.items():
            if found:
                raise InvalidOptionError(f"search() orders and shapes its own answer, and cannot follow {what}")


def _options(
    *,
    exact: bool = False,
    max_distance: float | None = None,
    ef_search: int | None = None,
    recall: float | None = None,
    include_embedding: bool = False,
) -> SearchOptions:
    """Return the options of a search, to be completed by what the queryset and the slice say."""
    return SearchOptions(
        where=None,
        limit=DEFAULT_LIMIT,
        exact=exact,
        max_distance=max_distance,
        ef_search=ef_search,
        recall=recall,
        columns=None,
        include_embedding=include_embedding,
    )


def _examples(given: Any, target: Target, model: Any) -> Any:
    """Return examples with instances of models as stored records; what is no list of them is refused elsewhere."""
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        return given
    return [_stored(one, target, model) if isinstance(one, models.Model) else one for one in given]


def _stored(record: object, target: Target, model: Any) -> StoredRecord:
    if not isinstance(record, models.Model):
        key = record if isinstance(record, tuple) else (record,)
    elif not isinstance(record, model._meta.concrete_model) and not issubclass(model, type(record)):
        raise InvalidInputError(f"{record!r:.60} is no {model.__name__}, whose records are searched")
    else:
        key = tuple(getattr(record, name, None) for name in target.key)
    if len(key) != len(target.key) or None in key:
        raise RecordNotFoundError(
            f"This {target.name} has no key yet, so nothing stored can be searched by it: save it first, or pass its vector"
        )
    return StoredRecord(key)


class EmbeddingManager(models.Manager.from_queryset(EmbeddingQuerySet)):  # type: ignore[misc]
    """The manager of a model with embeddings: ``objects = EmbeddingManager()``."""
