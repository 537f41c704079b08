"""The work of one embedder: claim, embed, write back. Each embedder has a lane of its own, so a slow one slows no other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from pgvec.embedding_sync.isolation import Failure, Outcome, embed_isolating
from pgvec.embedding_sync.options import WorkerOptions
from pgvec.errors import (
    EmbedderUnavailableError,
    InvalidInputError,
    PgvecError,
    QueryError,
    SyncError,
    TransientQueryError,
)
from pgvec.model import ClaimedRow, Embedder, EntryKind, FailedRow, SyncTask, WrittenRow
from pgvec.operations import embedding_sync as recipes
from pgvec.operations.embedding_sync import Claim
from pgvec.orm.values import as_array, to_text
from pgvec.statements.requests import Request

__all__ = ["Lane", "Run", "Work"]

T = TypeVar("T")
Run = Callable[[Generator[Request, Any, Any]], Any]

_log = logging.getLogger("pgvec.embedding_sync")
_WRITE_ATTEMPTS = 3


@dataclass(slots=True)
class Work:
    """What was done so far."""

    claimed: int = 0
    written: int = 0
    refused: int = 0
    retried: int = 0
    parked: int = 0
    texts: int = 0


@dataclass(slots=True)
class _Held:
    """A claim that has to be kept alive."""

    task: SyncTask
    claim: Claim
    since: float


class Lane:
    """Does the work of one embedder, batch by batch; every method but :meth:`renew` belongs to one thread."""

    def __init__(self, name: str, embedder: Embedder, run: Run, worker: UUID, options: WorkerOptions) -> None:
        self.name = name
        self.work = Work()
        self._embedder = embedder
        self._run = run
        self._worker = worker
        self._options = options
        self._held: _Held | None = None
        self._attended: set[int] = set()
        self._served: dict[int, float] = {}
        self._outages = 0

    def turn(self) -> float | None:
        """Embed one batch; return for how many seconds to pause then, or None where nothing was ready.

        Raises:
            QueryError: The database did not answer as it should.
        """
        tasks = self._run(recipes.tasks([self.name]))
        for task in sorted(tasks, key=lambda task: (-task.priority, self._served.get(task.id, 0.0))):
            if not self._attend(task):
                continue
            options = self._options
            claim = self._run(
                recipes.claim(
                    task,
                    size=options.batch_size,
                    lease_seconds=options.lease_seconds,
                    max_attempts=options.max_attempts,
                )
            )
            if claim is not None:
                self._served[task.id] = time.monotonic()
                return self._process(task, claim)
        return None

    def renew(self) -> None:
        """Lengthen the lease of the claim in hand; called by another thread while the model works."""
        held = self._held
        if held is None or time.monotonic() - held.since > self._options.hold_seconds:
            return
        options = self._options
        self._run(recipes.extend(held.task, held.claim.token, self._worker, held.claim.rows, options.lease_seconds))

    def _attend(self, task: SyncTask) -> bool:
        """Tell the database which model fills the column, once; return False where it is another than it should be."""
        if task.id in self._attended:
            return True
        try:
            self._check_dimensions(task)
            self._run(recipes.attend(task, self._embedder.name, self._embedder.revision))
        except QueryError:
            raise
        except PgvecError as error:
            _log.error("%s is left alone: %s", task.name, error, extra={"sync": task.name})
            return False
        self._attended.add(task.id)
        return True

    def _check_dimensions(self, task: SyncTask) -> None:
        if task.dimensions not in (None, self._embedder.dimensions):
            raise SyncError(
                f"its column has {task.dimensions} dimensions, and the embedder {self.name!r} "
                f"({self._embedder.name}) makes {self._embedder.dimensions}"
            )

    def _process(self, task: SyncTask, claim: Claim) -> float:
        self._held = _Held(task, claim, time.monotonic())
        self.work.claimed += len(claim.rows)
        try:
            outcomes = self._embed(claim.rows)
            written, failed = self._sort(claim.rows, outcomes)
            failed += self._write(task, claim, written)
            self._give_back(task, claim, failed)
        except Exception:
            raise
        except BaseException:
            # The process is told to end at once: let others have the rows now, and not when the lease ends.
            self._release(
                task, claim, [FailedRow(row, "the worker was interrupted", refund=True) for row in claim.rows]
            )
            raise
        finally:
            self._held = None
        return self._pause(outcomes.values())

    def _embed(self, rows: Sequence[ClaimedRow]) -> dict[str, Outcome]:
        texts = list(dict.fromkeys(row.document for row in rows if _needs_vector(row)))
        self.work.texts += len(texts)
        return dict(zip(texts, embed_isolating(self._embedder, texts), strict=True))

    def _sort(
        self, rows: Sequence[ClaimedRow], outcomes: dict[str, Outcome]
    ) -> tuple[list[WrittenRow], list[FailedRow]]:
        written, failed = [], []
        for row in rows:
            outcome = outcomes.get(row.document) if _needs_vector(row) else None
            if isinstance(outcome, Failure):
                failed.append(self._failed(row, outcome))
            else:
                written.append(WrittenRow(row, None if outcome is None else to_text(as_array(outcome))))
        return written, failed

    def _failed(self, row: ClaimedRow, failure: Failure) -> FailedRow:
        error = f"{type(failure.error).__name__}: {failure.error}"
        options = self._options
        if failure.is_outage:
            park = row.age_seconds > options.give_up_seconds
            return FailedRow(row, error, self._outage_pause(failure), park=park, refund=True)
        hopeless = failure.is_alone and isinstance(failure.error, InvalidInputError)
        park = hopeless or row.attempts >= options.max_attempts
        return FailedRow(row, error, options.backoff(row.attempts), park=park)

    def _outage_pause(self, failure: Failure) -> float:
        error = failure.error
        asked = (error.retry_after_seconds or 0.0) if isinstance(error, EmbedderUnavailableError) else 0.0
        return max(asked, self._options.backoff(self._outages + 1))

    def _write(self, task: SyncTask, claim: Claim, rows: Sequence[WrittenRow]) -> list[FailedRow]:
        """Write back, and return the rows that Postgres does not take: a check, a trigger, a policy of the table."""
        failed: list[FailedRow] = []
        parts = [rows] if rows else []
        while parts:
            part = parts.pop()
            try:
                self._finish(task, claim, part)
            except (PgvecError, ValueError) as error:
                if isinstance(error, TransientQueryError):
                    raise
                if len(part) > 1:
                    parts += [part[len(part) // 2 :], part[: len(part) // 2]]
                    continue
                row = part[0].row
                park = row.attempts >= self._options.max_attempts
                failed.append(FailedRow(row, f"not written: {error}", self._options.backoff(row.attempts), park=park))
        return failed

    def _finish(self, task: SyncTask, claim: Claim, rows: Sequence[WrittenRow]) -> None:
        for attempt in range(1, _WRITE_ATTEMPTS + 1):
            try:
                done = self._run(recipes.finish(task, claim.token, self._worker, rows))
            except TransientQueryError:
                # Where the first attempt did arrive, the next one finds nothing left to write, which does no harm.
                if attempt == _WRITE_ATTEMPTS:
                    raise
                time.sleep(self._options.backoff(attempt) / 10)
            else:
                self.work.written += done.written
                self.work.refused += done.refused
                return

    def _give_back(self, task: SyncTask, claim: Claim, rows: Sequence[FailedRow]) -> None:
        if not rows:
            return
        self._release(task, claim, rows)
        parked = [row for row in rows if row.park]
        for failed in parked or rows[:1]:
            what = "parked" if failed.park else "will be tried again"
            _log.warning("%s: row %s %s: %s", task.name, failed.row.key, what, failed.error, extra={"sync": task.name})

    def _release(self, task: SyncTask, claim: Claim, rows: Sequence[FailedRow]) -> None:
        done = self._run(recipes.release(task, claim.token, self._worker, rows))
        self.work.retried += done.retried
        self.work.parked += done.parked
        self.work.refused += done.refused

    def _pause(self, outcomes: Any) -> float:
        outage = next((found for found in outcomes if isinstance(found, Failure) and found.is_outage), None)
        if outage is None:
            self._outages = 0
            return 0.0
        pause = self._outage_pause(outage)
        self._outages += 1
        return pause


def _needs_vector(row: ClaimedRow) -> bool:
    return row.kind is EntryKind.WRITE and bool(row.document) and not row.document.isspace()
