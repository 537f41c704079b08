"""``pgvec worker``: embeds what the outbox holds."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from pgvec.cli.database import open_database
from pgvec.cli.options import Json, Url, check_text
from pgvec.cli.output import print_json, print_text
from pgvec.embedding_sync import Worker, WorkerOptions, load_embedders, read_embedder_names, serve_metrics
from pgvec.errors import InvalidOptionError

__all__ = ["pooled", "split_embedder", "worker"]

_DEFAULTS = WorkerOptions()


def worker(
    *,
    embedder: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=MODULE:ATTRIBUTE",
            help="An embedder by the name that syncs give it; may be repeated. Also read from [tool.pgvec.embedders].",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is ready, for cron.")] = False,
    batch_size: Annotated[int, typer.Option(help="Rows embedded together.")] = _DEFAULTS.batch_size,
    lease: Annotated[
        float, typer.Option(metavar="SECONDS", help="After this time others take the rows of a dead worker.")
    ] = _DEFAULTS.lease_seconds,
    max_attempts: Annotated[int, typer.Option(help="Attempts before a row is parked.")] = _DEFAULTS.max_attempts,
    poll: Annotated[
        float, typer.Option(metavar="SECONDS", help="How often to look where nothing notifies.")
    ] = _DEFAULTS.poll_seconds,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve figures for Prometheus here; 0 takes a free port.")
    ] = None,
    metrics_address: Annotated[
        str, typer.Option(callback=check_text, metavar="ADDRESS", help="Where to serve them.")
    ] = "127.0.0.1",
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Embed the rows whose text changed, until SIGTERM or Ctrl-C; a second one ends it at once."""
    options = WorkerOptions(batch_size=batch_size, lease_seconds=lease, max_attempts=max_attempts, poll_seconds=poll)
    # Modules beside the caller are found as python -m finds them.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    names = read_embedder_names(Path.cwd()) | dict(split_embedder(text) for text in embedder or ())
    _log_to_stderr(as_json=as_json)
    with open_database(url) as engine, pooled(engine) as kept:
        made = Worker(kept, load_embedders(names), options)
        with _stopped_by_signals(made), _measured(made, kept, metrics_port, metrics_address):
            done = made.run_once() if once else made.run()
    if as_json:
        print_json(done)
    else:
        print_text(
            f"{done.written} rows written with {done.texts} texts embedded, {done.refused} refused, "
            f"{done.retried} given back, {done.parked} parked"
        )


@contextmanager
def _measured(made: Worker, engine: sa.Engine, port: int | None, address: str) -> Iterator[None]:
    if port is None:
        yield
        return
    with serve_metrics(made, engine, port, address=address) as found:
        logging.getLogger("pgvec.embedding_sync").info("figures for Prometheus at http://%s:%s/metrics", address, found)
        yield


@contextmanager
def _stopped_by_signals(made: Worker) -> Iterator[None]:
    stop = _Stop(made)
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Stop:
    """Lets the worker end in order at the first signal, and the process at the second."""

    def __init__(self, made: Worker) -> None:
        self._made = made
        self._asked = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self._asked:
            sys.exit(128 + number)
        self._asked = True
        self._made.stop()


class _JsonLines(logging.Formatter):
    """One JSON object a line, for programs that collect logs."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record with its time, level, message and sync."""
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if hasattr(record, "sync"):
            line["sync"] = record.sync
        return json.dumps(line)


def _log_to_stderr(*, as_json: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if as_json else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("pgvec.embedding_sync")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False


def split_embedder(text: str) -> tuple[str, str]:
    """Return name and place of an embedder."""
    name, equals, place = text.partition("=")
    if not equals:
        raise InvalidOptionError(f"--embedder takes  name=module:attribute, not {text!r}")
    return name, place


@contextmanager
def pooled(engine: sa.Engine) -> Iterator[sa.Engine]:
    """Yield an engine that keeps its connections: a worker runs many small transactions."""
    kept = sa.create_engine(engine.url, pool_pre_ping=True, connect_args={"prepare_threshold": None})
    try:
        yield kept
    finally:
        kept.dispose()
