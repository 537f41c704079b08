"""What a run of the filtered cells writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.filters.oracle import CellResult, StrategyResult
from benchmarks.filters.report import write

_ABOUT = {
    "measured_at": "2026-01-01T00:00:00+00:00",
    "data": [{"name": "generated", "rows": 4, "dimensions": 2, "distance": "cosine"}],
    "effort": {"queries": 500, "rounds": 3, "cpu": False},
    "versions": {
        "python": "CPython 3.12",
        "postgresql": "18",
        "pgvector": "0.8.6",
        "packages": {"sqlalchemy": "2.1", "psycopg": "3.3"},
    },
    "machine": {"cpus": 2},
}


def _result(p50: float, receipts: dict[str, int] | None = None) -> StrategyResult:
    return StrategyResult(0.97, 0, 0, p50, 2 * p50, 500, 3, receipts=receipts or {})


def _cells() -> list[CellResult]:
    strategies = {
        "exact": _result(1.0),
        "pgvec": _result(2.0, {"index": 3, "completed": 1}),
        "pgvec_advised": _result(0.5),
    }
    return [
        CellResult("generated", "10% correlated", 10.0, "correlated", 400, strategies),
        CellResult("generated", "own label", 10.0, None, 400, strategies),
    ]


def test_json_has_the_keys_and_every_cell_with_its_strategies(tmp_path: Path) -> None:
    """A program finds the figures at the top and what they are made of below."""
    write(tmp_path, "filters", _cells(), {"unfiltered_over_baseline": 1.01, "half_over_plain": 1.2}, _ABOUT)

    written = json.loads((tmp_path / "filters.json").read_text())

    assert {key: written[key] for key in ("rows_short", "min_recall", "cells_over_limit", "mean_ratio")} == {
        "rows_short": 0,
        "min_recall": 0.97,
        "cells_over_limit": 2,
        "mean_ratio": 2.0,
    }
    assert written["half_over_plain"] == 1.2
    assert written["advice_speedup"] == {"generated: 10% correlated": 4.0, "generated: own label": 4.0}
    (cell, named) = written["cells"]
    assert (cell["oracle"], cell["ratio"], cell["over_limit"], cell["in_grid"]) == ("exact", 2.0, True, True)
    assert cell["strategies"]["pgvec"]["receipts"] == {"index": 3, "completed": 1}
    assert named["in_grid"] is False


def test_tables_mark_what_was_missed(tmp_path: Path) -> None:
    """Goals that were not reached and cells over their limit stand out; receipts say how pgvec answered."""
    write(tmp_path, "filters", _cells(), {"half_over_plain": 1.2}, _ABOUT)

    lines = (tmp_path / "filters.md").read_text().splitlines()

    assert any("`half_over_plain`" in line and line.endswith("| 1.2 | <= 1.15 | **no** |") for line in lines)
    assert any("`min_recall`" in line and line.endswith("| yes |") for line in lines)
    overview = (
        "| generated: 10% correlated | 400 | exact | 2.00 | 4.00 | **2.00** | 2.00 | 0.970 | index 3, completed 1 |"
    )
    assert overview in lines


def test_the_picture_has_cells_that_were_not_measured(tmp_path: Path) -> None:
    """A run of some cells can be drawn too."""
    pytest.importorskip("matplotlib")
    from benchmarks.filters.heatmap import draw

    draw(_cells(), tmp_path / "filters.png")
    draw([], tmp_path / "none.png")

    assert (tmp_path / "filters.png").stat().st_size > 10_000
    assert not (tmp_path / "none.png").exists()
