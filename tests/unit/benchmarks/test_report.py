"""What a run writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.load import LoadTimings
from benchmarks.measure import Timings
from benchmarks.report import Report

_ABOUT = {
    "measured_at": "2026-01-01T00:00:00+00:00",
    "data": {"name": "generated", "rows": 4, "dimensions": 2, "queries": 1, "rounds": 1},
    "versions": {
        "python": "CPython 3.12",
        "postgresql": "18",
        "pgvector": "0.8.6",
        "packages": {"sqlalchemy": "2.1", "psycopg": "3.3", "pgvector": "0.5"},
    },
    "machine": {"cpus": 2},
}


def _timings(milliseconds: float, ids: list[int]) -> Timings:
    return Timings(np.array([[milliseconds / 1_000]]), [[(id_, 0, 0.5) for id_ in ids]])


def test_ratios_are_pgvec_over_the_floor(tmp_path: Path) -> None:
    """Throughput counts rows per second and latency counts time, both with pgvec above the line."""
    report = Report()
    report.add_load(LoadTimings(100, {"floor": [1.0], "copy": [0.5], "merge": [2.0], "update": [4.0]}))
    search = {
        "floor": _timings(1.0, [1, 2]),
        "pooled_floor": _timings(2.0, [1, 2]),
        "columns": _timings(1.2, [1, 2]),
        "entities": _timings(1.5, [1, 3]),
        "engine": _timings(3.0, [1, 2]),
    }
    report.add_search(search, np.array([[1, 2]]))
    report.add_memory({10: 50.0, 100: 52.5})

    report.write(tmp_path, _ABOUT)

    written = json.loads((tmp_path / "latest.json").read_text())
    assert {key: round(value, 3) for key, value in written.items() if isinstance(value, float)} == {
        "load_ratio": 2.0,
        "load_merge_ratio": 0.5,
        "load_update_ratio": 0.25,
        "search_p50_ratio": 1.2,
        "search_entity_p50_ratio": 1.5,
        "engine_search_p50_ratio": 3.0,
        "engine_search_over_pool_p50_ratio": 1.5,
        "loader_memory_growth_mb": 2.5,
    }
    assert written["details"]["search"]["entities"]["recall@10"] == 0.5
    assert written["machine"] == {"cpus": 2}


def test_table_says_which_goals_were_missed() -> None:
    """A value on the wrong side of its goal is marked, and a key that was not measured is left out."""
    report = Report()
    report.add_load(LoadTimings(100, {"floor": [1.0], "copy": [2.0], "merge": [1.5], "update": [3.0]}))

    lines = report.markdown(_ABOUT).splitlines()

    (missed,) = (line for line in lines if "`load_ratio`" in line)
    (reached,) = (line for line in lines if "`load_merge_ratio`" in line)
    assert missed.endswith("| 0.5 | >= 0.8 | **no** |")
    assert reached.endswith("| 0.667 | >= 0.5 | yes |")
    assert not any("search_p50_ratio" in line for line in lines)
