"""What Prometheus is told of a worker and the syncs."""

from __future__ import annotations

import sys
import urllib.request

import pytest
import sqlalchemy as sa
from fix_sync import NAME, SyncedTable

from pgvec.embedding_sync import WorkerMetrics, serve_metrics
from pgvec.errors import MissingDependencyError, ServerError

pytest.importorskip("prometheus_client", reason="the extra metrics is not installed")


def read(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_figures_follow_the_work(synced: SyncedTable) -> None:
    """What waits, how long it has waited, and what was written can be read at any time."""
    synced.declare()
    synced.sql("INSERT INTO article (title) VALUES ('one'), ('two')")
    worker = synced.worker()
    of_sync = f'{{embedder="content",sync="{NAME}"}}'
    with serve_metrics(worker, synced.engine, 0) as port:
        found = read(port)
        assert found[f"pgvec_sync_waiting_rows{of_sync}"] == 2
        assert found[f"pgvec_sync_oldest_seconds{of_sync}"] > 0
        assert found['pgvec_worker_rows_total{outcome="written"}'] == 0
        worker.run_once()
        found = read(port)
        assert found[f"pgvec_sync_waiting_rows{of_sync}"] == found[f"pgvec_sync_oldest_seconds{of_sync}"] == 0
        assert found['pgvec_worker_rows_total{outcome="written"}'] == found["pgvec_worker_texts_total"] == 2
        assert found["pgvec_database_up"] == 1
        with pytest.raises(ServerError, match="cannot be served"), serve_metrics(worker, synced.engine, port):
            pass


def test_a_database_that_is_away_is_told(synced: SyncedTable) -> None:
    """The worker's own figures are served, and one says that the database does not answer."""
    away = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with serve_metrics(synced.worker(), away, 0) as port:
        found = read(port)
    assert found["pgvec_database_up"] == found["pgvec_worker_texts_total"] == 0


def test_a_missing_extra_is_named(synced: SyncedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error tells the command that installs it."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'pgvec\[metrics\]'"):
        WorkerMetrics(synced.worker(), synced.engine)
