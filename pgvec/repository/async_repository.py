"""The repository of one model, on SQLAlchemy's asynchronous API."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Generic, TypeVar, overload

import sqlalchemy as sa

from pgvec.execution.async_session import AsyncBind, AsyncSessionDriver
from pgvec.execution.copy import AsyncLoader
from pgvec.execution.feed import AsyncRows
from pgvec.model import (
    Advice,
    Distance,
    Embedder,
    Explanation,
    Fusion,
    FusionReport,
    LoadReport,
    Match,
    Matches,
    MeasureProgressCallback,
    ProgressCallback,
    RecallReport,
    Target,
    TuneReport,
)
from pgvec.operations import hybrid, keyword, write
from pgvec.operations import recall as measuring
from pgvec.operations import search as searching
from pgvec.operations import tune as tuning
from pgvec.operations.advise import advise, checked_shapes
from pgvec.operations.explain import explain
from pgvec.operations.load import load
from pgvec.operations.rows import checked_rows
from pgvec.operations.search import Question
from pgvec.orm.reading import read_target
from pgvec.repository import arguments, keyword_arguments, measurements
from pgvec.statements.filters import build_filter
from pgvec.statements.load import OnConflict

__all__ = ["AsyncRepository"]

M = TypeVar("M")


class AsyncRepository(Generic[M]):
    """Searches and writes the records of one model, in the caller's transaction: :class:`Repository` with ``await``.

    Given a session or a connection, it takes part in its transaction and never commits. Given an engine, every call is a
    transaction of its own. Texts are embedded in a thread, so that the event loop goes on.

    Args:
        bind: An ``AsyncSession``, ``AsyncConnection`` or ``AsyncEngine`` on PostgreSQL through psycopg 3.
        model: A mapped class (SQLAlchemy declarative, imperative, SQLModel) or a ``Table``. Records of a table are mappings.
        column: The embedding column, where the model has several: its name or the attribute.
        distance: The distance, where the model declares none, or another than it declares.
        embedder: Turns a text query into a vector.

    Raises:
        MappingError: The model cannot be searched; the subclass says why.
        ConfigurationError: The bind or the embedder cannot be used.
    """

    def __init__(
        self,
        bind: AsyncBind,
        model: type[M] | sa.Table,
        *,
        column: Any | None = None,
        distance: Distance | str | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self._driver = AsyncSessionDriver(bind)
        self._target = read_target(model, column=column, distance=distance)
        self._embedder = embedder
        if embedder is not None:
            arguments.check_embedder(embedder)

    @property
    def target(self) -> Target:
        """What this repository searches, as it was read from the model."""
        return self._target

    @overload
    async def search(
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
        columns: None = None,
        include_embedding: bool = False,
    ) -> Matches[M]: ...

    @overload
    async def search(
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
        columns: Sequence[Any],
        include_embedding: bool = False,
    ) -> Matches[Any]: ...

    async def search(
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
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> Matches[Any]:
        """Find the nearest records, in one statement.

        Args:
            query: A vector (list, tuple, NumPy array, pgvector object), a text (needs an embedder), or a stored record,
                which is then left out of its own answer.
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
        """
        question = await self._question(
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
        )
        return await self._driver.run(searching.search(self._target, question), self._target)

    async def explain(
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
            columns: Columns or expressions to return as rows.
            include_embedding: Fetch the embeddings of the records too.
            analyze: Run the statement, so that the plan tells what happened, with times.

        Returns:
            The strategy, its reasons and figures, the statement and Postgres' plan of it; ``str()`` is for people and
            ``to_dict()`` for programs. Criteria that listeners of the session add to a search are not in it.
        """
        question = await self._question(
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
        )
        return await self._driver.run(explain(self._target, question, analyze=bool(analyze)), self._target)

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

    async def _question(self, query: object, options: arguments.SearchOptions) -> Question:
        """Check the arguments of a search, and embed a query that is a text."""
        if isinstance(query, str) and not arguments.is_vector_text(self._target, query):
            query = await asyncio.to_thread(arguments.embed_query, self._target, self._embedder, query)
        return arguments.question(self._target, query, options)

    async def search_many(
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
        vectors = await asyncio.to_thread(arguments.embed_queries, self._target, self._embedder, queries)
        if not vectors:
            return []
        question = arguments.question_of_many(
            self._target,
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
        return await self._driver.run(searching.search_many(self._target, question), self._target)

    @overload
    async def keyword_search(
        self,
        text: str,
        *,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        index: str | None = None,
        columns: None = None,
        include_embedding: bool = False,
    ) -> Matches[M]: ...

    @overload
    async def keyword_search(
        self,
        text: str,
        *,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        index: str | None = None,
        columns: Sequence[Any],
        include_embedding: bool = False,
    ) -> Matches[Any]: ...

    async def keyword_search(
        self,
        text: str,
        *,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        index: str | None = None,
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
            columns: As for :meth:`search`.
            include_embedding: As for :meth:`search`.

        Returns:
            The matches, the best first, with ``score``; their ``distance`` is NaN, since no vector was compared.

        Raises:
            InvalidInputError: The text, the condition or an option cannot be used; the subclass says why.
            IndexNotFoundError: The table has no such keyword index, or several.
            MigrationPendingError: The schema ``pgvec`` of this database knows no keyword search.
            QueryError: Postgres refused the statement.
        """
        question = keyword_arguments.keyword_question(
            self._target,
            text,
            where=where,
            limit=limit,
            offset=offset,
            index=index,
            columns=columns,
            include_embedding=include_embedding,
        )
        return await self._driver.run(keyword.keyword_search(self._target, question), self._target)

    @overload
    async def hybrid_search(
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
        columns: None = None,
        include_embedding: bool = False,
    ) -> Matches[M]: ...

    @overload
    async def hybrid_search(
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
        columns: Sequence[Any],
        include_embedding: bool = False,
    ) -> Matches[Any]: ...

    async def hybrid_search(
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
        """
        keyword_arguments.keyword_parameters(text, index)
        if vector is None:
            vector = await asyncio.to_thread(arguments.embed_query, self._target, self._embedder, text)
        question = keyword_arguments.hybrid_question(
            self._target,
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
        )
        return await self._driver.run(hybrid.hybrid_search(self._target, question), self._target)

    async def tune_fusion(
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
        if vectors is None:
            vectors = await asyncio.to_thread(arguments.embed_queries, self._target, self._embedder, texts)
        judged = keyword_arguments.judgements(
            self._target, texts, vectors, relevance, index=index, limit=limit, candidates=candidates, folds=folds
        )
        recipe = hybrid.tune_fusion(self._target, judged, index=index, limit=limit, folds=folds)
        return await self._driver.run(recipe, self._target)

    async def get(self, key: object, *, include_embedding: bool = False) -> M:
        """Return the record with a primary key: a value, a tuple, or a mapping for a key of several columns.

        Raises:
            RecordNotFoundError: There is none.
        """
        recipe = write.get(self._target, arguments.key_of(self._target, key), include_embedding)
        return await self._driver.run(recipe, self._target)

    async def count(self, where: object = None) -> int:
        """Count the records that pass a condition."""
        return await self._driver.run(write.count(self._target, build_filter(self._target, where)), self._target)

    async def insert(self, rows: object) -> list[Any]:
        """Insert rows that must be new.

        Args:
            rows: A mapping by attribute name or an instance of the model, or an iterable of them. Instances are read, not
                attached to the session.

        Returns:
            The primary keys, in the order given: values, or tuples for a key of several columns.

        Raises:
            InvalidRowError: A row cannot be stored; nothing was.
            DuplicateRecordError: A unique key exists already; nothing was stored.
        """
        checked = checked_rows(self._target, rows)
        return await self._driver.run(write.insert(self._target, checked), self._target)

    async def upsert(self, rows: object, *, key: object = None) -> list[Any]:
        """Insert rows, or replace what they name in the rows that exist with the same key.

        Args:
            rows: As for :meth:`insert`. Of rows with equal keys the last counts.
            key: Attribute names (or attributes) with a unique constraint; the primary key by default.

        Returns:
            The primary keys of the rows written, one for each distinct key.

        Raises:
            InvalidRowError: A row cannot be stored or lacks its key; nothing was stored.
        """
        names = arguments.upsert_key(self._target, key)
        checked = checked_rows(self._target, rows, required=names)
        return await self._driver.run(write.upsert(self._target, checked, names), self._target)

    async def update(self, rows: object) -> int:
        """Update rows by primary key; what a row does not name stays as it is.

        Returns:
            How many rows were updated.

        Raises:
            RecordNotFoundError: One of the rows does not exist; nothing was updated.
            InvalidRowError: A row cannot be stored or lacks its key; nothing was updated.
        """
        checked = checked_rows(self._target, rows, required=self._target.key)
        return await self._driver.run(write.update(self._target, checked), self._target)

    async def delete(self, where: object) -> int:
        """Delete the records that pass a condition.

        Returns:
            How many records were deleted.

        Raises:
            InvalidOptionError: The condition is empty; ``sqlalchemy.true()`` says that every record is meant.
        """
        return await self._driver.run(write.delete(self._target, build_filter(self._target, where)), self._target)

    async def bulk_load(
        self,
        rows: AsyncRows,
        *,
        on_conflict: OnConflict = "error",
        key: object = None,
        columns: Sequence[Any] | None = None,
        progress: ProgressCallback | None = None,
    ) -> LoadReport:
        """Load many rows, by COPY where the table allows it. What the session holds already is not refreshed.

        Args:
            rows: An iterable of mappings, instances or tuples; a mapping of columns, a structured array or a matrix; or what
                :func:`read_csv` and :func:`read_jsonl` return. :class:`AsyncRepository` takes asynchronous iterables too.
                They are read as they are sent, so a generator of any length needs constant memory. All rows have the keys
                of the first.
            on_conflict: What happens to a row whose key exists: ``error``, ``skip`` it, or ``update`` the row that has it. Of
                rows of the input with the same key, ``skip`` takes the first and ``update`` the last.
            key: Attributes that tell which rows are the same, for ``skip`` and ``update``; the primary key by default.
            columns: Attributes of the values, where rows are tuples; for other rows, the keys that they must have.
            progress: Called with a :class:`LoadProgress` about ten times a second.

        Raises:
            InvalidRowError: A row cannot be stored; its ``position`` counts from 1, and nothing was loaded.
            DuplicateRecordError: A key exists already or twice in the input; nothing was loaded.
        """
        async with self._driver.connection(self._target) as connection:
            options = arguments.load_options(rows, on_conflict, key, connection.sync_connection)
            recipe = load(self._target, options, connection.dialect)
            return await AsyncLoader(connection, rows, columns=columns, progress=progress).run(recipe)

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
