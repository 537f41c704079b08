"""Waiting until embeddings are in step with their text: what is looked at, and when it has been long enough."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from pgvec.errors import InvalidOptionError, SyncError, SyncTimeoutError
from pgvec.model import Target
from pgvec.statements import embedding_sync as statements
from pgvec.statements.requests import Execute, Request

__all__ = ["backlog_of", "check_wait", "still_waiting"]

_SECONDS_BETWEEN_LOOKS = 0.1


def backlog_of(target: Target) -> Generator[Request, Any, int]:
    """Count the rows that wait for the embedding of a target, or of the column that takes its place.

    Raises:
        SyncError: No sync keeps the column in step.
    """
    counted = yield Execute(statements.backlog_of(target), target, scalars=True)
    if counted.rows[0] is None:
        raise SyncError(
            f"No embedding sync keeps {target.column.name} of {target.name} in step with its text: declare one with "
            "Syncs.create or  pgvec sync create"
        )
    return int(counted.rows[0])


def check_wait(timeout_seconds: float) -> None:
    """Refuse a time that is none."""
    if isinstance(timeout_seconds, bool) or not isinstance(timeout_seconds, int | float) or not timeout_seconds >= 0:
        raise InvalidOptionError(f"timeout_seconds has to be a number of 0 or more, not {timeout_seconds!r}")


def still_waiting(name: str, left: int, deadline: float, timeout_seconds: float) -> float:
    """Return how long to wait until the next look, or raise when the time is over."""
    if time.monotonic() >= deadline:
        raise SyncTimeoutError(
            f"After {timeout_seconds:g} s {left} rows of {name} still wait for their embedding: does a worker run, and what "
            "does  pgvec sync status  say?",
            backlog=left,
        )
    return _SECONDS_BETWEEN_LOOKS
