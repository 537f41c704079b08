"""Counts the shapes of the filters that searches have, in memory, until somebody stores the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import Any

import sqlalchemy as sa

from pgvec.errors import ConfigurationError, MigrationPendingError, PgvecError
from pgvec.execution.sqlstate import DRIVER_ERRORS, translate
from pgvec.statements.filter_shapes import add_searches, shape_of
from pgvec.statements.plan import relation_text, target_table
from pgvec.statements.requests import Find

__all__ = ["FilterRecord"]

_MOST_SHAPES = 1_000
_MISSING = frozenset({"42P01", "3F000"})


class FilterRecord:
    """Counts which columns searches are filtered by, and how; it holds no value of any filter.

    Give one to the repositories of an application, ``Repository(..., record_filters=record)``. Counting takes some microseconds
    of a search and sends nothing. :meth:`flush` stores the counts, where ``advise`` and the doctor find them: call it now and
    then, for example every minute and when the process ends; what is never flushed is lost. Threads may share one.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._known: dict[Any, tuple[str, str] | None] = {}

    def __len__(self) -> int:
        return len(self._counts)

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """What is not stored yet: searches by the name of their table and their shape."""
        with self._lock:
            return dict(self._counts)

    def note(self, find: Find) -> None:
        """Count a search; drivers call it."""
        if find.where is None:
            return
        try:
            entry = self._entry(find)
        except Exception:  # noqa: BLE001 - a search must not fail for what is only counted
            return
        if entry is not None:
            with self._lock:
                if entry in self._counts or len(self._counts) < _MOST_SHAPES:
                    self._counts[entry] += 1

    def flush(self, bind: sa.Engine | sa.Connection) -> int:
        """Store the counts in ``pgvec.filter_shape``, and return how many searches they count.

        Given an engine, it does so in a transaction of its own; given a connection, in that of the connection, as in
        ``await connection.run_sync(record.flush)`` on an asynchronous one. Where it fails, the counts are kept.

        Raises:
            ConfigurationError: It is neither an engine nor a connection.
            MigrationPendingError: The table is missing.
            AccessDeniedError: The role may not write it.
        """
        if not isinstance(bind, sa.Engine | sa.Connection):
            raise ConfigurationError(f"flush() takes an Engine or a Connection, not {type(bind).__name__}")
        with self._lock:
            taken, self._counts = self._counts, Counter()
        if not taken:
            return 0
        # Processes that store the same shapes lock their rows in the same order.
        rows = [
            {"relation": relation, "shape": shape, "searches": searches}
            for (relation, shape), searches in sorted(taken.items())
        ]
        try:
            if isinstance(bind, sa.Engine):
                with bind.begin() as connection:
                    connection.execute(add_searches(), rows)
            else:
                bind.execute(add_searches(), rows)
        except DRIVER_ERRORS as exc:
            self._give_back(taken)
            raise _told(exc) from exc
        return taken.total()

    def _give_back(self, taken: Counter[tuple[str, str]]) -> None:
        with self._lock:
            self._counts += taken

    def _entry(self, find: Find) -> tuple[str, str] | None:
        """Return the table and the shape of a search; those of equal structure, whatever their values, are read once."""
        key = None if find.where_key is None else (find.target, find.shape.by_record, find.where_key.key)
        if key is not None and key in self._known:
            return self._known[key]
        shape = shape_of(find.target, find.where, by_record=find.shape.by_record)
        table = target_table(find.target)
        entry = None if shape is None else (relation_text(table.name, table.schema), shape)
        if key is not None:
            if len(self._known) >= _MOST_SHAPES:
                self._known.clear()
            self._known[key] = entry
        return entry


def _told(exc: BaseException) -> BaseException:
    error = translate(exc)
    if isinstance(error, PgvecError) and getattr(error, "sqlstate", None) in _MISSING:
        return MigrationPendingError(
            "The table pgvec.filter_shape is missing, which holds what is recorded: run  pgvec migrate up"
        )
    return error
