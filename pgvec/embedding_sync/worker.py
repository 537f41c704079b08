"""The worker: embeds what the outbox holds, until it is stopped or nothing is left."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Generator, Mapping
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from pgvec.embedding_sync.lane import Lane, Work
from pgvec.embedding_sync.options import WorkerOptions
from pgvec.errors import AccessDeniedError, ConfigurationError, MappingError, PgvecError
from pgvec.execution.listen import listen
from pgvec.execution.session import SessionDriver
from pgvec.model import Embedder
from pgvec.operations import embedding_sync as recipes
from pgvec.operations.embedding_sync import PLACE
from pgvec.statements.requests import Request

__all__ = ["CHANNEL", "Worker"]

CHANNEL = "pgvec_sync"
_log = logging.getLogger("pgvec.embedding_sync")


class Worker:
    """Embeds the rows whose text changed. Any number may run side by side, in one process or on many machines.

    Each embedder has a thread of its own. No transaction is open while a model works. A worker may die at any point: what it
    held is taken by others when the lease ends, and what it writes too late is refused.

    Args:
        engine: An engine on the database (psycopg 3). One connection for each embedder is used, one to listen, and for a
            moment one to renew leases.
        embedders: The embedders by the names that the syncs give them; other syncs are left alone.
        options: How to work.

    Raises:
        ConfigurationError: No embedder is given.
    """

    def __init__(
        self, engine: sa.Engine, embedders: Mapping[str, Embedder], options: WorkerOptions | None = None
    ) -> None:
        if not embedders:
            raise ConfigurationError("A worker needs at least one embedder, by the name that the syncs give it")
        self._engine = engine
        self._options = options or WorkerOptions()
        self._id = uuid4()
        self._driver = SessionDriver(engine)
        self._stop = threading.Event()
        self._woken = {name: threading.Event() for name in embedders}
        self._lanes = [Lane(name, embedder, self._run, self._id, self._options) for name, embedder in embedders.items()]

    @property
    def work(self) -> Work:
        """What this worker has done since it was last started."""
        done = Work()
        for lane in self._lanes:
            for field in Work.__dataclass_fields__:
                setattr(done, field, getattr(done, field) + getattr(lane.work, field))
        return done

    def run(self) -> Work:
        """Work until :meth:`stop` is called, and return what was done."""
        return self._work(once=False)

    def run_once(self) -> Work:
        """Work until nothing is ready (rows that wait for their next attempt are left), and return what was done.

        Raises:
            QueryError: The database did not answer as it should.
        """
        return self._work(once=True)

    def stop(self) -> None:
        """Ask the worker to end when the batches in hand are written; may be called from a signal handler or a thread."""
        self._stop.set()
        self._wake()

    def _run(self, recipe: Generator[Request, Any, Any]) -> Any:
        return self._driver.run(recipe, PLACE)

    def _wake(self) -> None:
        for event in self._woken.values():
            event.set()

    def _work(self, *, once: bool) -> Work:
        for lane in self._lanes:
            lane.work = Work()
        self._begin(once=once)
        done = threading.Event()
        failures: list[BaseException] = []
        threads = [threading.Thread(target=self._renew, args=(done,), name="pgvec-leases", daemon=True)]
        if not once:
            heard = (self._engine, CHANNEL, self._wake, done)
            threads.append(threading.Thread(target=listen, args=heard, name="pgvec-listen", daemon=True))
        lanes = [
            threading.Thread(
                target=self._lane, args=(lane, once, done, failures), name=f"pgvec-{lane.name}", daemon=True
            )
            for lane in self._lanes
        ]
        for thread in (*threads, *lanes):
            thread.start()
        try:
            for thread in lanes:
                while thread.is_alive() and not done.is_set():
                    # Short, so that a signal handler runs while this thread waits.
                    thread.join(0.5)
        finally:
            done.set()
            self._wake()
            for thread in threads:
                thread.join()
        if failures:
            raise failures[0]
        self._end()
        return self.work

    def _begin(self, *, once: bool) -> None:
        failures = 0
        while True:
            try:
                self._run(recipes.begin_worker(self._id, socket.gethostname(), os.getpid()))
            except PgvecError as error:
                if once or isinstance(error, ConfigurationError | MappingError | AccessDeniedError):
                    raise
                failures += 1
                _log.warning("the database does not answer: %s", error)
                if self._stop.wait(self._options.backoff(failures)):
                    return
            else:
                return

    def _end(self) -> None:
        try:
            self._run(recipes.end_worker(self._id))
        except PgvecError as error:
            _log.warning("the end of the worker was not recorded: %s", error)

    def _lane(self, lane: Lane, once: bool, done: threading.Event, failures: list[BaseException]) -> None:
        """Run one lane; only what happens in a single pass, or is a fault of pgvec itself, ends it."""
        errors = 0
        while not (self._stop.is_set() or done.is_set()):
            self._woken[lane.name].clear()
            try:
                pause = lane.turn()
                errors = 0
            except PgvecError as error:
                if once:
                    failures.append(error)
                    return
                errors += 1
                _log.warning("%s: %s", lane.name, error)
                self._stop.wait(self._options.backoff(errors))
                continue
            except BaseException as error:  # noqa: BLE001 - it is raised again where the caller waits
                failures.append(error)
                done.set()
                return
            if pause is None:
                if once:
                    return
                self._woken[lane.name].wait(self._options.poll_seconds)
            elif pause:
                if once:
                    return
                self._stop.wait(pause)

    def _renew(self, done: threading.Event) -> None:
        while not done.wait(self._options.lease_seconds / 3):
            for lane in self._lanes:
                try:
                    lane.renew()
                except PgvecError as error:
                    _log.warning("%s: a lease was not renewed: %s", lane.name, error)
