"""Arguments of :class:`Syncs` and :class:`AsyncSyncs`, checked once for both."""

from __future__ import annotations

import time

import sqlalchemy as sa

from pgvec.errors import InvalidOptionError, MappingError, SyncTimeoutError
from pgvec.model import EmbeddingSync
from pgvec.orm.declared_syncs import declared_syncs

__all__ = ["as_syncs", "check_wait", "still_waiting"]

_SECONDS_BETWEEN_LOOKS = 0.1


def as_syncs(declared: EmbeddingSync | type[object] | sa.Table | sa.MetaData) -> tuple[EmbeddingSync, ...]:
    """Return the syncs that are meant.

    Raises:
        MappingError: A mapping was given that declares none.
    """
    if isinstance(declared, EmbeddingSync):
        return (declared,)
    found = declared_syncs(declared)
    if not found:
        raise MappingError(
            f"{declared!r} declares no embedding that follows its text: write "
            'Embedding(384, source=("title", "body"), embedder="minilm")'
        )
    return found


def check_wait(timeout_seconds: float) -> None:
    """Refuse a time that is none."""
    if not timeout_seconds >= 0:
        raise InvalidOptionError(f"timeout_seconds has to be 0 or more, not {timeout_seconds}")


def still_waiting(name: str, left: int, deadline: float, timeout_seconds: float) -> float:
    """Return how long to wait until the next look, or raise when the time is over."""
    if time.monotonic() >= deadline:
        raise SyncTimeoutError(
            f"After {timeout_seconds:g} s {left} rows of {name} still wait for their embedding: does a worker run, and what "
            "does  pgvec sync status  say?",
            backlog=left,
        )
    return _SECONDS_BETWEEN_LOOKS
