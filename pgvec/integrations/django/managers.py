"""The manager and the queryset of models with embeddings."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.db.models.query import ModelIterable

from pgvec.errors import InvalidOptionError, RecordNotFoundError
from pgvec.integrations.django.distances import VectorDistance, query_vector
from pgvec.integrations.django.reading import read_model
from pgvec.integrations.django.search import EmbeddingSearch, SearchOptions, TextQuery
from pgvec.model import Distance, Embedder, StoredRecord, Target
from pgvec.repository.arguments import is_vector_text

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
        self._refuse_what_a_search_cannot_keep()
        target = read_model(self.model, column=column, distance=distance)
        options = SearchOptions(
            exact=exact,
            max_distance=max_distance,
            ef_search=ef_search,
            recall=recall,
            include_embedding=include_embedding,
        )
        if isinstance(query, models.Model):
            query = _stored(query, target)
        elif isinstance(query, str) and not is_vector_text(target, query):
            query = TextQuery(query, embedder)
        return EmbeddingSearch(self._chain(), target, query, options)

    def similar(self, record: object, **options: Any) -> EmbeddingSearch[Any]:
        """Find the records nearest to a stored one, which is left out; its embedding never leaves the database.

        Args:
            record: An instance of the model, or the primary key of one.
            options: As for :meth:`search`.

        Raises:
            RecordNotFoundError: The record is not stored yet.
        """
        target = read_model(self.model, column=options.get("column"), distance=options.get("distance"))
        return self.search(_stored(record, target), **options)

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
            query = TextQuery(query, embedder).embedded(target)
        vector = query_vector(target, query)
        return self.annotate(**{alias: VectorDistance(target.column.attribute, vector, target)})  # type: ignore[no-any-return]

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


def _stored(record: object, target: Target) -> StoredRecord:
    if not isinstance(record, models.Model):
        key = record if isinstance(record, tuple) else (record,)
    else:
        key = tuple(getattr(record, name, None) for name in target.key)
    if len(key) != len(target.key) or None in key:
        raise RecordNotFoundError(
            f"This {target.name} has no key yet, so nothing stored can be searched by it: save it first, or pass its vector"
        )
    return StoredRecord(key)


class EmbeddingManager(models.Manager.from_queryset(EmbeddingQuerySet)):  # type: ignore[misc]
    """The manager of a model with embeddings: ``objects = EmbeddingManager()``."""
