"""Recipes that keep embeddings in step with their text: declare, look, and what a worker does in each of its transactions."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pgvec.errors import SyncError
from pgvec.model import Backfill, ClaimedRow, EmbeddingSync, EntryKind, FailedRow, SyncStatus, SyncTask, WrittenRow
from pgvec.statements import embedding_sync as statements
from pgvec.statements.requests import Execute, Place, Request

__all__ = [
    "PLACE",
    "Claim",
    "Finished",
    "Released",
    "WorkerCounts",
    "attend",
    "backlog",
    "begin_worker",
    "call",
    "claim",
    "create",
    "end_worker",
    "extend",
    "finish",
    "release",
    "status",
    "tasks",
    "worker_counts",
]

PLACE = Place(statements.sync_table)


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows that a worker holds under a token."""

    token: int
    rows: tuple[ClaimedRow, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of results: written, refused because the row had changed or was another's, or left because it is locked."""

    written: int
    refused: int
    busy: int


@dataclass(frozen=True, slots=True)
class Released:
    """What became of rows that were given back."""

    retried: int
    parked: int
    refused: int


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """What all workers of the last day did, and how many were seen in the last minute."""

    embedded: int
    unchanged: int
    refused: int
    retried: int
    parked: int
    running: int


def create(sync: EmbeddingSync, backfill: Backfill | str = Backfill.ALL) -> Generator[Request, Any, str]:
    """Declare a sync, or bring a declared one up to date, and return its name."""
    made = yield Execute(statements.create(sync, str(backfill)), PLACE, scalars=True)
    return str(made.rows[0])


def call(function: str, name: str) -> Generator[Request, Any, int]:
    """Drop, pause, resume, retry or reconcile a sync, and return how many rows that set in motion."""
    done = yield Execute(statements.by_name(f"sync_{function}", name), PLACE, scalars=True)
    return int(done.rows[0] or 0)


def backlog(name: str) -> Generator[Request, Any, int]:
    """Count the rows that wait for their embedding."""
    counted = yield Execute(statements.backlog(name), PLACE, scalars=True)
    return int(counted.rows[0])


def status(name: str | None = None) -> Generator[Request, Any, tuple[SyncStatus, ...]]:
    """Return where every sync stands, or one of them.

    Raises:
        SyncError: There is none of that name.
    """
    found = yield Execute(statements.read_status(name), PLACE)
    if name is not None and not found.rows:
        raise SyncError(f"There is no embedding sync {name!r}; without a name every one is listed")
    return tuple(SyncStatus(*row) for row in found.rows)


def tasks(embedders: Sequence[str] | None = None) -> Generator[Request, Any, tuple[SyncTask, ...]]:
    """Return the syncs that workers attend to, the most important first."""
    found = yield Execute(statements.tasks(embedders), PLACE)
    return tuple(SyncTask(*row) for row in found.rows)


def attend(task: SyncTask, model: str, revision: str) -> Generator[Request, Any, None]:
    """Record which model fills the column of a sync.

    Raises:
        SyncError: It was filled by another.
    """
    yield Execute(statements.fix_model(task.id, model, revision), PLACE)


def claim(
    task: SyncTask, *, size: int, lease_seconds: float, max_attempts: int
) -> Generator[Request, Any, Claim | None]:
    """Claim rows for the time of a lease, or return None where none is ready."""
    answer = yield Execute(statements.claim(task.id, size, lease_seconds, max_attempts), PLACE, scalars=True)
    found = answer.rows[0]
    if found is None:
        return None
    return Claim(found["token"], tuple(_claimed(row) for row in found["rows"]))


def finish(task: SyncTask, token: int, worker: UUID, rows: Sequence[WrittenRow]) -> Generator[Request, Any, Finished]:
    """Write the embeddings of claimed rows."""
    answer = yield Execute(statements.finish(task.id, token, worker, rows), PLACE, scalars=True)
    return Finished(**answer.rows[0])


def release(task: SyncTask, token: int, worker: UUID, rows: Sequence[FailedRow]) -> Generator[Request, Any, Released]:
    """Give claimed rows back."""
    answer = yield Execute(statements.release(task.id, token, worker, rows), PLACE, scalars=True)
    return Released(**answer.rows[0])


def extend(
    task: SyncTask, token: int, worker: UUID, rows: Sequence[ClaimedRow], lease_seconds: float
) -> Generator[Request, Any, int]:
    """Lengthen a lease, and return how many rows are still held."""
    answer = yield Execute(statements.extend(task.id, token, worker, rows, lease_seconds), PLACE, scalars=True)
    return int(answer.rows[0])


def begin_worker(worker: UUID, host: str, process_id: int) -> Generator[Request, Any, None]:
    """Record that a worker runs."""
    yield Execute(statements.worker_started(worker, host, process_id), PLACE)


def end_worker(worker: UUID) -> Generator[Request, Any, None]:
    """Record that it ended in order."""
    yield Execute(statements.worker_stopped(worker), PLACE)


def worker_counts() -> Generator[Request, Any, WorkerCounts]:
    """Sum up what the workers did."""
    answer = yield Execute(statements.worker_counts(), PLACE)
    return WorkerCounts(*map(int, answer.rows[0]))


def _claimed(row: dict[str, Any]) -> ClaimedRow:
    document = row["document"] or ""
    if not row["found"]:
        kind = EntryKind.GONE
    elif row["has_embedding"] and row["stored_hash"] == statements.document_hash(document):
        # Changed and changed back, or written by a large statement and updated before a worker came to it.
        kind = EntryKind.UNCHANGED
    else:
        kind = EntryKind.WRITE
    return ClaimedRow(tuple(row["key"]), row["version"], row["attempts"], row["age"], document, kind)
