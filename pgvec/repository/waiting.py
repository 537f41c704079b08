"""Waiting for embeddings that follow their text: a part of the repository."""

from __future__ import annotations

import time
from typing import TypeVar

from pgvec.operations.sync_wait import backlog_of, check_wait, still_waiting
from pgvec.repository.core import RepositoryCore

__all__ = ["Waiting"]

M = TypeVar("M")


class Waiting(RepositoryCore[M]):
    """Waits for embeddings that follow their text."""

    def wait_until_synced(self, *, timeout_seconds: float = 60.0) -> None:
        """Wait until no row of the table waits for its embedding (docs/sync.md). Parked rows are not waited for.

        The role needs SELECT on ``pgvec.embedding_sync``. In a transaction of the isolation level ``REPEATABLE READ`` nothing
        would ever change: use an engine there.

        Args:
            timeout_seconds: How long to wait; 0 looks once.

        Raises:
            SyncError: No sync keeps the column in step with its text.
            SyncTimeoutError: Rows still wait; ``backlog`` says how many.
        """
        check_wait(timeout_seconds)
        deadline = time.monotonic() + timeout_seconds
        while left := self._driver.run(backlog_of(self._target), self._target):
            time.sleep(still_waiting(self._target.name, left, deadline, timeout_seconds))
