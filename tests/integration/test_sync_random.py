"""After any mixture of writers and workers every embedding is that of its text."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import pytest
from fix_sync import NAME, QUICK, SyncedTable
from support.random_writers import RandomWriters

from pgvec.embedders import CachedEmbedder
from pgvec.embedding_sync import Worker


def run_random(table: SyncedTable, *, operations: int, seed: int) -> RandomWriters:
    """Let 8 writers and 4 workers run until every transaction is done and nothing waits."""
    table.declare()
    cached = CachedEmbedder(table.embedder, most_texts=1_000_000)
    workers = [Worker(table.engine, {"content": cached}, replace(QUICK, batch_size=50)) for _ in range(4)]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    writers = RandomWriters(table.url, seed=seed, writers=8, operations=operations)
    for thread in threads:
        thread.start()
    try:
        writers.start()
        writers.join()
        table.syncs.wait_until_synced(NAME, timeout_seconds=300)
    finally:
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join()
    return writers


def check(table: SyncedTable) -> None:
    assert table.wrong_rows() == []
    assert table.orphans() == 0
    ((rows, states),) = table.sql("SELECT (SELECT count(*) FROM article), (SELECT count(*) FROM pgvec.embedding_state)")
    assert rows == states > 0
    assert max(table.embedder.texts.values()) == 1
    assert table.syncs.reconcile(NAME) == 0


def test_writers_and_workers_mixed(synced: SyncedTable) -> None:
    """Drained, every row is right bit for bit, nothing is left of rows that are gone, and no text was embedded twice."""
    run_random(synced, operations=240, seed=1)
    check(synced)


@pytest.mark.full
def test_ten_thousand_transactions(synced: SyncedTable) -> None:
    """The same after ten thousand random transactions (PGVEC_SEED chooses others)."""
    run_random(synced, operations=10_000, seed=int(os.environ.get("PGVEC_SEED", "20")))
    check(synced)
