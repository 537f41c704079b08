"""Figures of a worker and of the syncs for Prometheus (extra ``metrics``)."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pgvec.embedding_sync.syncs import Syncs
from pgvec.embedding_sync.worker import Worker
from pgvec.errors import MissingDependencyError, PgvecError, ServerError
from pgvec.model import SyncStatus

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["WorkerMetrics", "serve_metrics"]

_OUTCOMES = ("claimed", "written", "refused", "retried", "parked")


class WorkerMetrics:
    """A collector for a registry of ``prometheus_client``: what is asked for is read when it is asked.

    Args:
        worker: The worker of this process.
        engine: An engine on its database.

    Raises:
        MissingDependencyError: The extra ``metrics`` is not installed.
    """

    def __init__(self, worker: Worker, engine: sa.Engine) -> None:
        _load()
        self._worker = worker
        self._syncs = Syncs(engine)

    def collect(self) -> Iterator[Metric]:
        """Yield every figure; where the database does not answer, ``pgvec_database_up`` is 0 and its figures are missing."""
        core = importlib.import_module("prometheus_client.core")
        CounterMetricFamily, GaugeMetricFamily = core.CounterMetricFamily, core.GaugeMetricFamily  # noqa: N806 - classes
        work = self._worker.work
        rows = CounterMetricFamily("pgvec_worker_rows", "Rows by what became of them.", labels=["outcome"])
        for outcome in _OUTCOMES:
            rows.add_metric([outcome], getattr(work, outcome))
        yield rows
        yield CounterMetricFamily("pgvec_worker_texts", "Texts given to models.", value=work.texts)
        began = time.monotonic()
        try:
            found = self._syncs.status()
        except PgvecError:
            yield GaugeMetricFamily("pgvec_database_up", "Whether the database answered.", value=0)
            return
        yield GaugeMetricFamily("pgvec_database_up", "Whether the database answered.", value=1)
        yield GaugeMetricFamily(
            "pgvec_status_seconds", "How long it took to read where the syncs stand.", value=time.monotonic() - began
        )
        for name, what, value in (
            ("pgvec_sync_waiting_rows", "Rows that no worker has claimed.", lambda sync: sync.waiting),
            ("pgvec_sync_claimed_rows", "Rows that a worker has claimed.", lambda sync: sync.claimed),
            ("pgvec_sync_retrying_rows", "Rows, of both, that failed before.", lambda sync: sync.retrying),
            ("pgvec_sync_parked_rows", "Rows that workers have given up.", lambda sync: sync.parked),
            ("pgvec_sync_oldest_seconds", "Age of the oldest change that waits; 0 where none does.", _age),
            ("pgvec_sync_paused", "Whether workers leave it alone.", lambda sync: int(sync.paused)),
        ):
            gauge = GaugeMetricFamily(name, what, labels=["sync", "embedder"])
            for sync in found:
                gauge.add_metric([sync.name, sync.embedder], value(sync))
            yield gauge


@contextmanager
def serve_metrics(worker: Worker, engine: sa.Engine, port: int, *, address: str = "127.0.0.1") -> Iterator[int]:
    """Answer Prometheus at ``/metrics`` while the block runs, and yield the port.

    Args:
        worker: The worker of this process.
        engine: An engine on its database.
        port: The port; 0 takes a free one.
        address: Where to listen; the default is reached from this machine only.

    Raises:
        MissingDependencyError: The extra ``metrics`` is not installed.
        ServerError: The port cannot be had.
    """
    collector = WorkerMetrics(worker, engine)
    library = _load()
    registry = library.CollectorRegistry(auto_describe=False)
    registry.register(collector)
    try:
        server, thread = library.start_http_server(port, addr=address, registry=registry)
    except OSError as error:
        raise ServerError(f"the metrics cannot be served at {address}:{port}: {error}") from error
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _age(sync: SyncStatus) -> float:
    return 0.0 if sync.oldest is None else max(0.0, (datetime.now(UTC) - sync.oldest).total_seconds())


def _load() -> Any:
    try:
        return importlib.import_module("prometheus_client")
    except ImportError as error:
        raise MissingDependencyError.for_extra("metrics", "Figures for Prometheus") from error
