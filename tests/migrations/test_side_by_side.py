"""While a deployment goes on, the code of the previous release runs on the new schema."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from support.called import RECORD, called, missing, recorded

from pgvec.execution import migrate
from pgvec.sql import frozen_checksums, scripts

ALL = tuple(script.name for script in scripts())
_AGAIN = "DROP FUNCTION pgvec.sync_drop(text); CREATE FUNCTION pgvec.sync_drop({}) RETURNS void LANGUAGE sql AS ''"
CHANGES = [
    ("ALTER FUNCTION pgvec.sync_drop(text) RENAME TO sync_end", "function sync_drop(name text) void"),
    ("ALTER TABLE pgvec.embedding_sync RENAME COLUMN embedder TO model", "column embedding_sync.embedder text"),
    ("ALTER TABLE pgvec.calibration ALTER row_cost TYPE real", "column calibration.row_cost double precision"),
    ("ALTER TABLE pgvec.embedding_sync ADD owner text NOT NULL", "new column embedding_sync.owner text has no default"),
    ("DROP TABLE pgvec.calibration CASCADE", "column calibration.type text"),
    (_AGAIN.format("name text, again text"), "function sync_drop(name text) void"),
    ("ALTER TABLE pgvec.embedding_sync ADD owner text NOT NULL DEFAULT ''", None),
    ("ALTER TABLE pgvec.embedding_sync ADD owner text", None),
    (_AGAIN.format("name text, again text DEFAULT ''"), None),
]


def test_released_code_finds_what_it_calls(empty_database_url: str):
    """What a release called is there with its script, and after each later one until a clean-up follows."""
    releases = recorded()
    assert set(releases) <= set(ALL)
    running: dict[str, set[str]] = {}
    for name in ALL:
        migrate.up(empty_database_url, to=name)
        if "_post_" in name:
            # It runs once the code of the releases before is gone.
            running = {}
        if name in releases:
            running[name] = releases[name]
        with psycopg.connect(empty_database_url) as connection:
            gone = {release: lost for release, what in running.items() if (lost := missing(connection, what))}
        assert gone == {}, f"code of these releases cannot run after {name}"


def test_a_release_records_what_it_calls(migrated_url: str):
    """Once the newest script is frozen, the record has what the code calls by name."""
    with psycopg.connect(migrated_url) as connection:
        now = called(connection)
        assert missing(connection, now) == []
    assert {"function sync_drop(name text) void", "column migration.name text"} <= now
    if f"{ALL[-1]}.up.sql" in frozen_checksums():
        lines = "\n".join(f"{ALL[-1]}  {what}" for what in sorted(now))
        assert recorded().get(ALL[-1]) == now, f"{RECORD.name} wants these lines:\n{lines}"


@pytest.mark.parametrize(("change", "told"), CHANGES)
def test_a_change_that_breaks_old_code_is_found(migrated_url: str, change: Any, told: str | None):
    """What is gone, of another type, or must be filled is told; what only came is not."""
    with psycopg.connect(migrated_url) as connection:
        before = called(connection)
        connection.execute(change)
        lost = missing(connection, before)
    assert (lost == []) if told is None else (told in lost)
