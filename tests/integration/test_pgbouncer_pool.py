"""The pooler of the tests: it must be in the mode that breaks careless clients, or the tests prove nothing."""

from __future__ import annotations

import psycopg
import pytest


def _backends(url: str) -> set[int]:
    """Return the server processes that answer three connections, one open transaction after the other."""
    seen = set()
    with psycopg.connect(url, prepare_threshold=None) as one, psycopg.connect(url, prepare_threshold=None) as two:
        for connection in (one, two, one):
            row = connection.execute("SELECT pg_backend_pid()").fetchone()
            assert row is not None
            seen.add(row[0])
            connection.commit()
    return seen


def test_connections_share_one_backend(pgbouncer: str) -> None:
    """Two clients are served by the one server connection of the pool, transaction by transaction."""
    assert len(_backends(pgbouncer)) == 1


@pytest.mark.parametrize("pgbouncer", [2], indirect=True)
def test_larger_pool_runs_transactions_side_by_side(pgbouncer: str) -> None:
    """With two server connections, two transactions are open at once."""
    with (
        psycopg.connect(pgbouncer, prepare_threshold=None) as one,
        psycopg.connect(pgbouncer, prepare_threshold=None) as two,
    ):
        pids = {connection.execute("SELECT pg_backend_pid()").fetchone()[0] for connection in (one, two)}
    assert len(pids) == 2
