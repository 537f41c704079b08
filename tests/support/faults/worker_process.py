"""A worker in a process of its own, which may end or freeze itself at a named point."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from support.content_embedder import ContentEmbedder
from support.faults.plants import plant_in_process

from pgvec.embedding_sync import Worker, WorkerOptions
from pgvec.errors import EmbedderResponseError, EmbedderUnavailableError

__all__ = ["LEASE_SECONDS", "POINTS", "Orders", "run_worker"]

LEASE_SECONDS = 0.6
_CALLS = {"_claim_v1": "claim", "_finish_v1": "write", "_release_v1": "release"}
POINTS = (
    "registered",
    *(f"{when} {what}" for what in _CALLS.values() for when in ("before", "within", "after")),
    "before embedding",
    "after embedding",
)
"""Where a worker can be told to end: a transaction is entered, done but not committed, committed; the model is called."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is to do.

    Attributes:
        url: The database.
        seed: Decides how its model behaves.
        point: Where to end or freeze itself, or None.
        signal: By which signal.
        plant: The bug that it has, or None.
        rough: How often its model is out of reach, answers nonsense, or leaves a text out.
    """

    url: str
    seed: int
    point: str | None = None
    signal: int = signal.SIGKILL
    plant: str | None = None
    rough: float = 0.04


def run_worker(orders: Orders) -> None:
    """Run a worker until it ends itself or is ended."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    logging.disable()
    dice = random.Random(orders.seed)
    # A worker registers once; waiting for a second time, it would never end.
    reached = _Reached(orders, 1 if orders.point == "registered" else dice.randint(1, 3))
    plant_in_process(orders.plant, orders.url)
    engine = sa.create_engine(orders.url)
    _watch(engine, reached)

    def before(texts: list[str]) -> None:
        reached("before embedding")
        time.sleep(dice.random() * 0.01)
        chance = dice.random()
        if chance < orders.rough:
            raise EmbedderUnavailableError("a planned outage")
        if chance < 2 * orders.rough:
            raise EmbedderResponseError("a planned wrong answer")

    class Embedder(ContentEmbedder):
        def embed(self, inputs: Any, *, role: Any = "document") -> Any:
            vectors = super().embed(inputs, role=role)
            reached("after embedding")
            # A reply that is one short, and not at the end.
            return vectors[1:] if dice.random() < orders.rough else vectors

    options = WorkerOptions(
        batch_size=20,
        lease_seconds=LEASE_SECONDS,
        max_attempts=10_000,
        backoff_seconds=0.01,
        longest_backoff_seconds=0.05,
        poll_seconds=0.05,
    )
    Worker(engine, {"content": Embedder(before=before)}, options).run()


class _Reached:
    """Ends or freezes the process when it comes to its point for the n-th time."""

    def __init__(self, orders: Orders, times: int) -> None:
        self._orders = orders
        self._left = times

    def __call__(self, point: str) -> None:
        if point == self._orders.point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), self._orders.signal)


def _watch(engine: sa.Engine, reached: _Reached) -> None:
    def called(statement: str) -> str | None:
        return next((what for name, what in _CALLS.items() if name in statement), None)

    @sa.event.listens_for(engine, "before_cursor_execute")
    def before(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if what := called(statement):
            reached(f"before {what}")

    @sa.event.listens_for(engine, "after_cursor_execute")
    def after(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if what := called(statement):
            connection.info["pgvec_call"] = what
            reached(f"within {what}")
        elif "INSERT INTO pgvec.embedding_worker" in statement:
            connection.info["pgvec_call"] = "registered"

    @sa.event.listens_for(engine, "checkin")
    def committed(_: Any, record: Any) -> None:
        what = record.info.pop("pgvec_call", None)
        if what is not None:
            reached(what if what == "registered" else f"after {what}")
