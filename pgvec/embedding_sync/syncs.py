"""Declares syncs and tells where they stand, on SQLAlchemy's synchronous API."""

from __future__ import annotations

import time

import sqlalchemy as sa

from pgvec.embedding_sync.declarations import as_syncs
from pgvec.execution.session import Bind, SessionDriver
from pgvec.model import Backfill, EmbeddingSync, SyncStatus
from pgvec.operations import embedding_sync as recipes
from pgvec.operations.embedding_sync import PLACE, WorkerCounts
from pgvec.operations.sync_wait import check_wait, still_waiting

__all__ = ["Syncs", "read_totals"]


class Syncs:
    """The embeddings of a database that follow their text.

    Given a session or a connection, it takes part in its transaction and never commits. Given an engine, every call is a
    transaction of its own.

    Args:
        bind: A ``Session``, ``Connection`` or ``Engine`` on PostgreSQL through psycopg 3.
    """

    def __init__(self, bind: Bind) -> None:
        self._driver = SessionDriver(bind)

    def create(
        self,
        declared: EmbeddingSync | type[object] | sa.Table | sa.MetaData,
        *,
        backfill: Backfill | str = Backfill.ALL,
    ) -> list[str]:
        """Declare syncs, or bring declared ones up to date, and return their names.

        The role has to own the tables, and to be the one that migrated the schema ``pgvec`` or a member of it.

        Args:
            declared: One sync, or a mapped class, table or metadata whose columns say ``source=`` and ``embedder=``.
            backfill: Which rows that are there already to embed: ``all``, ``missing`` (those without an embedding), ``none``.

        Raises:
            SyncError: A table, column or template cannot be used, or another sync has the name.
            MappingError: The mapping declares no such column.
        """
        return [self._driver.run(recipes.create(sync, backfill), PLACE) for sync in as_syncs(declared)]

    def drop(self, name: str) -> None:
        """Remove a sync, its triggers, and what was pending. The embeddings stay as they are."""
        self._driver.run(recipes.call("drop", name), PLACE)

    def pause(self, name: str) -> None:
        """Let workers leave a sync alone. Changes are still written down."""
        self._driver.run(recipes.call("pause", name), PLACE)

    def resume(self, name: str) -> None:
        """Let workers attend to a sync again."""
        self._driver.run(recipes.call("resume", name), PLACE)

    def retry(self, name: str) -> int:
        """Try again what was parked or waits for its next attempt, and return how many rows that are."""
        return self._driver.run(recipes.call("retry", name), PLACE)

    def reconcile(self, name: str) -> int:
        """Enqueue what the triggers could not see, and return how many rows that are.

        Those are rows written while triggers were disabled or by logical replication. Partitions that were attached since get
        their triggers. The whole table is read.
        """
        return self._driver.run(recipes.call("reconcile", name), PLACE)

    def status(self, name: str | None = None) -> tuple[SyncStatus, ...]:
        """Return where each sync stands, or one of them."""
        return self._driver.run(recipes.status(name), PLACE)

    def backlog(self, name: str) -> int:
        """Count the rows that wait for their embedding. Every role may ask."""
        return self._driver.run(recipes.backlog(name), PLACE)

    def wait_until_synced(self, name: str, *, timeout_seconds: float = 60.0) -> None:
        """Wait until no row waits for its embedding. Parked rows are not waited for.

        In a transaction of the isolation level ``REPEATABLE READ`` nothing would ever change: use an engine there.

        Raises:
            SyncTimeoutError: Rows still wait; ``backlog`` says how many.
        """
        check_wait(timeout_seconds)
        deadline = time.monotonic() + timeout_seconds
        while left := self.backlog(name):
            time.sleep(still_waiting(name, left, deadline, timeout_seconds))


def read_totals(bind: Bind) -> WorkerCounts:
    """Return what all workers of the last day did, and how many were seen in the last minute."""
    return SessionDriver(bind).run(recipes.worker_counts(), PLACE)
