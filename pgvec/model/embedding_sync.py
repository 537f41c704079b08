"""What is declared and known of embeddings that follow their text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["Backfill", "ClaimedRow", "EmbeddingSync", "EntryKind", "FailedRow", "SyncStatus", "SyncTask", "WrittenRow"]


class Backfill(StrEnum):
    """Which rows that are there when a sync is declared are embedded."""

    ALL = "all"
    MISSING = "missing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class EmbeddingSync:
    """An embedding column that follows text columns of its own table.

    Attributes:
        table: Name of the table in Postgres.
        source: Names of the columns that the text is made from, in order.
        column: Name of the vector column that takes the embeddings.
        embedder: Name of the embedder, which a worker resolves.
        schema: Schema of the table; None takes the one that the ``search_path`` gives.
        name: Name of the sync; None means ``schema.table.column``.
        template: Text with ``{column}`` for values; None puts the values one after the other, an empty line between them.
        priority: Workers turn to higher ones first.
    """

    table: str
    source: Sequence[str]
    column: str
    embedder: str
    schema: str | None = None
    name: str | None = None
    template: str | None = None
    priority: int = 0


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """Where a sync stands.

    Attributes:
        name: Name of the sync.
        source_table: Its table.
        target_column: Column that takes the embeddings.
        embedder: Name of the embedder.
        priority: Workers turn to higher ones first.
        paused: Whether workers leave it alone.
        model_name: Model that filled the column, or None before the first embedding.
        model_revision: Its revision.
        waiting: Rows that no worker has claimed.
        claimed: Rows that a worker has claimed.
        retrying: Rows, of both, that failed before.
        parked: Rows that workers have given up.
        oldest: Since when the oldest of the waiting and claimed rows has changed.
        error: Latest error of a row.
    """

    name: str
    source_table: str
    target_column: str
    embedder: str
    priority: int
    paused: bool
    model_name: str | None
    model_revision: str | None
    waiting: int
    claimed: int
    retrying: int
    parked: int
    oldest: datetime | None
    error: str | None

    @property
    def backlog(self) -> int:
        """Rows whose embedding is still to come."""
        return self.waiting + self.claimed


@dataclass(frozen=True, slots=True)
class SyncTask:
    """What a worker has to know of a sync.

    Attributes:
        id: Number of the sync.
        name: Its name.
        embedder: Name of the embedder.
        dimensions: Number of dimensions of the column, or None where it has none.
        priority: Workers turn to higher ones first.
    """

    id: int
    name: str
    embedder: str
    dimensions: int | None
    priority: int


class EntryKind(StrEnum):
    """What becomes of a claimed row."""

    WRITE = "write"
    UNCHANGED = "unchanged"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """A row that a worker holds for the time of a lease.

    Attributes:
        key: Its primary key, each column as text.
        version: Version of the text.
        attempts: How often it was claimed, this time included.
        age_seconds: For how long its text has been changed.
        document: The text to embed.
        kind: Whether it has to be embedded at all.
    """

    key: tuple[str, ...]
    version: int
    attempts: int
    age_seconds: float
    document: str
    kind: EntryKind


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """A claimed row with its embedding in pgvector's text form (None: it is to have none)."""

    row: ClaimedRow
    vector: str | None = None


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A claimed row that could not be embedded.

    Attributes:
        row: The row.
        error: Why.
        delay_seconds: When to try again.
        park: Whether to give it up instead.
        refund: Whether nothing is wrong with the row, so that the attempt does not count.
    """

    row: ClaimedRow
    error: str
    delay_seconds: float = 0.0
    park: bool = False
    refund: bool = False
