"""What a worker asks of a long queue."""

from __future__ import annotations

import json

from fix_sync import SyncedTable

BACKLOG = 20_000
BATCH = 64


def test_a_claim_reads_no_more_of_a_long_queue_than_it_takes(synced: SyncedTable) -> None:
    """With a long backlog a claim scans no table of the queue, and fetches a few entries for each that it claims."""
    synced.declare()
    synced.sql("INSERT INTO article (title) SELECT 'text ' || n FROM generate_series(1, %s) AS n", BACKLOG)
    synced.sql("DELETE FROM pgvec.embedding_batch")
    synced.sql(
        "INSERT INTO pgvec.embedding_outbox (sync_id, key) SELECT s.id, ARRAY[a.id::text] FROM article AS a, pgvec.embedding_sync AS s"
    )
    synced.sql("ANALYZE pgvec.embedding_outbox, pgvec.embedding_state, article")
    with synced.connection.transaction():
        # The view also holds what this session has not yet told the statistics of the database.
        before = _reads(synced)
        ((claimed,),) = synced.sql(
            "SELECT pgvec._claim_v1(s.id, %s, '1 minute', 5) FROM pgvec.embedding_sync AS s", BATCH
        )
        after = _reads(synced)
    read = {name: tuple(now - then for now, then in zip(after[name], before[name], strict=True)) for name in after}
    assert len(claimed["rows"]) == BATCH
    assert read["embedding_outbox"][0] == read["article"][0] == 0, read
    assert read["embedding_outbox"][1] <= 10 * BATCH, read
    assert read["article"][1] <= 2 * BATCH, read


def _reads(table: SyncedTable) -> dict[str, tuple[int, int]]:
    """Return by table how many rows this session read in scans, and by indexes."""
    found = table.sql(
        "SELECT relname, seq_tup_read, coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"
        " WHERE relname IN ('embedding_outbox', 'article')"
    )
    return {name: (scanned, fetched) for name, scanned, fetched in found}


def test_the_oldest_entry_is_found_by_the_index(synced: SyncedTable) -> None:
    """Of a long queue the next entries are read in the order of the index, without sorting it."""
    synced.declare()
    synced.sql(
        "INSERT INTO pgvec.embedding_outbox (sync_id, key) SELECT s.id, ARRAY[n::text] FROM generate_series(1, %s) AS n,"
        " pgvec.embedding_sync AS s",
        BACKLOG,
    )
    synced.sql("ANALYZE pgvec.embedding_outbox")
    ((plan,),) = synced.sql(
        "EXPLAIN (FORMAT JSON) SELECT o.key FROM pgvec.embedding_outbox AS o WHERE o.sync_id = 1 AND NOT o.parked"
        " AND o.ready_at <= now() AND o.attempts = 0 ORDER BY o.ready_at LIMIT 64 FOR UPDATE SKIP LOCKED"
    )
    text = json.dumps(plan)
    assert '"embedding_outbox_ready"' in text
    assert '"Sort"' not in text
