"""Measures searches, tunes them, and gives advice on them: a part of the asynchronous repository."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pgvec.model import (
    Advice,
    MeasureProgressCallback,
    RecallReport,
    TuneReport,
)
from pgvec.operations import recall as measuring
from pgvec.operations import tune as tuning
from pgvec.operations.advise import advise, checked_shapes
from pgvec.repository import measurements
from pgvec.repository.async_core import AsyncRepositoryCore

__all__ = ["AsyncMeasuring"]

M = TypeVar("M")


class AsyncMeasuring(AsyncRepositoryCore[M]):
    """Measures searches, tunes them, and gives advice on them."""

    async def recall(
        self,
        *,
        limit: int = 10,
        sample: int = 200,
        where: object = None,
        queries: object = None,
        ef_search: int | None = None,
        recall: float | None = None,
        curve: Sequence[int] = (),
        progress: MeasureProgressCallback | None = None,
    ) -> RecallReport:
        """Measure how many of the true nearest records searches find, by comparing them with exact ones.

        Args:
            limit: Rows of each answer: the k of recall@k.
            sample: Records to take as queries, the same each time; each is left out of its own answer.
            where: A condition on the records to find, as for :meth:`search`. Queries come from all records.
            queries: Vectors to ask instead of a sample: a matrix, or an iterable of vectors.
            ef_search: As for :meth:`search`.
            recall: As for :meth:`search`.
            curve: Other values of ``ef_search`` to measure too, with the same queries.
            progress: Called with a :class:`MeasureProgress` after every search.

        Returns:
            The report: the mean recall with its 95 % confidence interval, latencies, and how the searches were answered.

        Raises:
            InvalidInputError: An option, a query or the condition cannot be used.
            RecordNotFoundError: There is nothing to measure: no embeddings, or no record passes the condition.
        """
        question = measurements.searches(self._target, where=where, limit=limit, ef_search=ef_search, recall=recall)
        recipe = measuring.recall(
            self._target,
            question,
            measurements.check_queries(self._target, queries),
            sample=measurements.check_sample(sample),
            curve=measurements.check_curve(curve),
            progress=progress,
        )
        return await self._driver.run(recipe, self._target)

    async def tune(
        self,
        *,
        target_recall: float | Sequence[float] = 0.95,
        limit: int = 10,
        sample: int = 200,
        where: object = None,
        queries: object = None,
        filter_classes: Sequence[str] = ("all", "half", "tenth", "rare"),
        every: bool = False,
        store: bool = True,
        progress: MeasureProgressCallback | None = None,
    ) -> TuneReport:
        """Find the smallest ``ef_search`` that reaches a recall on this table's HNSW index, and store it for searches to use.

        Args:
            target_recall: The recall to reach, or several.
            limit: Rows of each answer: the k of recall@k.
            sample: As for :meth:`recall`.
            where: Measure with this condition, for the class of filters that it is of, instead of ``filter_classes``.
            queries: As for :meth:`recall`.
            filter_classes: What to measure: searches without a filter (``all``), and with filters that pass about ``half``, a
                ``tenth`` or few (``rare``) of the rows. They are measured with filters that know nothing of the vectors.
            every: Measure every ``ef_search``, for a picture, instead of no more than finding the smallest takes.
            store: Store what is found in ``pgvec.search_setting``, where ``search(..., recall=)`` finds it.
            progress: Called with a :class:`MeasureProgress` after every search.

        Returns:
            The report: for each class and target the ``ef_search``, and what was measured on the way.

        Raises:
            InvalidInputError: An option, a query or the condition cannot be used.
            RecordNotFoundError: There is nothing to measure: no embeddings, or no record passes the condition.
            IndexNotFoundError: There is no HNSW index.
            MigrationPendingError: The table for the settings is missing.
            AccessDeniedError: This role may not write it.
        """
        recipe = tuning.tune(
            self._target,
            measurements.searches(self._target, where=where, limit=limit),
            measurements.check_queries(self._target, queries),
            targets=measurements.check_targets(target_recall),
            filter_classes=measurements.check_classes(filter_classes, where),
            sample=measurements.check_sample(sample),
            every=every,
            store=store,
            progress=progress,
        )
        return await self._driver.run(recipe, self._target)

    async def advise(self, *, filters: Sequence[str] = ()) -> tuple[Advice, ...]:
        """Propose what would make searches faster: indexes, storage, statistics, memory. Nothing is changed.

        Args:
            filters: Filters that searches have, each as a text that names columns, ``"label, price"`` or
                ``"label = AND price <"``; they count beside the filters that were recorded. Without any, the columns that
                have an index are taken for filters.

        Returns:
            The proposals with reasons and SQL to review, in the order in which they are to be followed.

        Raises:
            InvalidOptionError: A filter names a column that the table does not have.
            MappingMismatchError: There is no such table.
        """
        return await self._driver.run(advise(self._target, checked_shapes(filters)), self._target)
