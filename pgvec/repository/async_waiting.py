"""Waiting for embeddings that follow their text: a part of the repository."""

from __future__ import annotations

import asyncio
import time
from typing import TypeVar

from pgvec.operations.sync_wait import backlog_of, check_wait, still_waiting
from pgvec.repository.async_core import AsyncRepositoryCore

__all__ = ["AsyncWaiting"]

M = TypeVar("M")


class AsyncWaiting(AsyncRepositoryCore[M]):
    """Waits for embeddings that follow their text."""

    async def wait_until_synced(self, *, timeout_seconds: float = 60.0) -> None:
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
        # Nothing in this process is told when a worker elsewhere has written.
        while left := await self._driver.run(backlog_of(self._target), self._target):  # noqa: ASYNC110
            await asyncio.sleep(still_waiting(self._target.name, left, deadline, timeout_seconds))
