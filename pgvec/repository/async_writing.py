"""Reads and writes records by their keys: a part of the asynchronous repository."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pgvec.execution.copy import AsyncLoader
from pgvec.execution.feed import AsyncRows
from pgvec.model import (
    LoadReport,
    ProgressCallback,
)
from pgvec.operations import write
from pgvec.operations.load import load
from pgvec.operations.rows import checked_rows
from pgvec.repository import arguments
from pgvec.repository.async_core import AsyncRepositoryCore
from pgvec.statements.filters import build_filter
from pgvec.statements.load import OnConflict

__all__ = ["AsyncWriting"]

M = TypeVar("M")


class AsyncWriting(AsyncRepositoryCore[M]):
    """Reads and writes records by their keys."""

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
