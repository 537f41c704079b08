"""What a run beside other engines writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.filters.oracle import CellResult, StrategyResult
from benchmarks.peers.engine import folder_bytes
from benchmarks.peers.figures import Loaded, ratios_to, write

_ABOUT = {
    "measured_at": "2026-01-01T00:00:00+00:00",
    "versions": {"postgresql": "18", "pgvector": "0.8.6"},
    "peers": {"qdrant-edge-py": "0.9.0"},
}


def _result(p50: float, recall: float = 1.0, *, short: int = 0, full: bool = True) -> StrategyResult:
    return StrategyResult(recall, short, short, p50, 2 * p50, 500, 3, full)


def _cell(**engines: StrategyResult) -> CellResult:
    return CellResult("fashion-mnist", "far label", 10.0, None, 6_000, engines)


def test_the_ratio_is_to_the_fastest_way_that_finds_as_much() -> None:
    """A faster way that finds less is not what pgvec is compared with."""
    cell = _cell(
        pgvec=_result(6.0), pgvec_advised=_result(1.0), qdrant=_result(1.0, 0.9), qdrant_acorn=_result(2.0, 0.985)
    )

    assert ratios_to(cell) == {"before": 3.0, "after": 0.5}
    assert ratios_to(_cell(pgvec=_result(6.0), qdrant=_result(1.5, 0.98), qdrant_acorn=_result(2.0, 0.985))) == {
        "before": 4.0
    }
    assert ratios_to(_cell(pgvec=_result(6.0), faiss=_result(1.0))) == {}


def test_every_cell_and_load_is_written(tmp_path: Path) -> None:
    """JSON is for programs; the table marks what was asked little and whose answers were short."""
    cell = _cell(pgvec=_result(3.0), qdrant=_result(2.0, short=4), chromadb=_result(80.0, full=False))

    write(tmp_path, "peers", [cell], [Loaded("fashion-mnist", "qdrant", 12.5, 250_000_000)], _ABOUT)

    written = json.loads((tmp_path / "peers.json").read_text())
    lines = (tmp_path / "peers.md").read_text().splitlines()
    assert written["pgvec_over_qdrant"] == {"fashion-mnist: far label": {"before": 1.5}}
    assert written["loads"] == [{"data": "fashion-mnist", "engine": "qdrant", "seconds": 12.5, "bytes": 250_000_000}]
    assert written["cells"][0]["strategies"]["qdrant"]["answers_short"] == 4
    assert "| cell | pgvec | qdrant | chromadb | pgvec / qdrant | after advice |" in lines
    row = "3.00 / 6.00, 1.000 | 2.00 / 4.00, 1.000, 4 short | ~80.00 / 160.00, 1.000 | 1.50 |  |"
    assert f"| fashion-mnist: far label | {row}" in lines
    assert "| fashion-mnist | qdrant | 12.5 | 250 |" in lines


def test_the_size_of_a_folder_is_what_it_takes_on_disk(tmp_path: Path) -> None:
    """Files in folders count, and what a file only promises to hold does not."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_bytes(b"x" * 100_000)
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 30)

    assert folder_bytes(tmp_path) == pytest.approx(100_000, rel=0.2)
