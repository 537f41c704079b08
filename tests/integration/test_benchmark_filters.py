"""The benchmark of filtered search on small data, from its database to its figures."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from benchmarks.filters.cells import Effort, measure_cell
from benchmarks.filters.data import generated
from benchmarks.filters.options import advised, chosen_cells, line
from benchmarks.filters.overhead import measure_overhead
from benchmarks.filters.store import open_store
from benchmarks.filters.strategies import BY_HAND, PGVEC, hand_strategies, open_pgvec

_QUERIES = 4


def test_the_cells_are_measured_on_every_strategy(server_url: str, tmp_path: Path) -> None:
    """Each contender answers in its own database; what is compared exactly is exact, and advice is followed in a copy only."""
    data = generated(1_200, _QUERIES, dimensions=16)
    advice = tmp_path / "advice.sql"
    advice.write_text("-- one to be left out\nCREATE INDEX CONCURRENTLY advised\n ON item (region_10);\nSELECT 1")
    cells = chosen_cells(data, "100% uncorrelated, 10% anti, 0.1% correlated")

    with open_store(server_url, tmp_path) as store:
        built = store.open(data)
        assert store.open(data) == built
        assert min(built.load_seconds, built.index_seconds, built.table_bytes, built.index_bytes) > 0
        with (
            advised(store, built, data, [f"{data.name}={advice}", "other=missing.sql"]) as followed,
            hand_strategies(built, data, list(BY_HAND)) as by_hand,
            open_pgvec(built, data) as pgvec,
        ):
            contenders = {**by_hand, PGVEC: pgvec, **followed}
            results = [measure_cell(data, cell, contenders, Effort(_QUERIES, 1, pilot=2)) for cell in cells]
        overhead = measure_overhead(built, data, queries=_QUERIES, rounds=1, cpu=False)

    assert [result.title for result in results] == [cell.title for cell in cells]
    for result in results:
        assert list(result.strategies) == [*BY_HAND, "pgvec", "pgvec_advised"]
        assert result.strategies["exact"].recall == 1.0
        assert result.oracle in BY_HAND
        assert sum(result.strategies["pgvec"].receipts.values()) == _QUERIES
        assert f"{result.oracle}*" in line(result)
    assert results[-1].matching == pytest.approx(1.2, abs=0.8)
    assert all(ratio > 0 for ratio in overhead.values())


def test_two_runs_do_not_share_a_database(server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that would change the schema under another one says so, and does not wait for hours."""
    data = generated(50, 1, dimensions=4)

    with open_store(server_url, tmp_path) as store:
        built = store.open(data)
        monkeypatch.setattr("benchmarks.filters.store._LOCK_TIMEOUT", "1ms")
        with psycopg.connect(built.conninfo) as other:
            other.execute("SELECT 1 FROM pgvec.migration")
            with pytest.raises(RuntimeError, match="another run uses this database"):
                store.open(data)


def test_nothing_is_left_on_a_server_that_was_given(server_url: str, tmp_path: Path) -> None:
    """The databases of a run on somebody's server are dropped in the end."""
    data = generated(50, 1, dimensions=4)

    with open_store(server_url, tmp_path) as store:
        conninfo = store.open(data).conninfo
        other = store.conninfo(data)
    with open_store(server_url, tmp_path) as store:
        assert store.conninfo(data) != other
        assert not store._exists(conninfo.partition("dbname=")[2].split()[0].strip("'"))
