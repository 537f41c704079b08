"""The benchmark of workers on few rows: it measures, prints and writes what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import sync


def test_it_measures_a_worker_claims_and_loads(
    server_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every figure is there; whether the promises are kept is no matter of so few rows."""
    output = tmp_path / "sync.json"
    sizes = ("--rows", "600", "--backlog", "2000", "--load", "2000", "--rounds", "1")
    assert sync.main([*sizes, "--url", server_url, "--output", str(output)]) in (0, 1)
    figures = json.loads(output.read_text())["figures"]
    assert figures["worker_rows_per_second"] > 0
    assert figures["claim_ratio"] > 0
    assert figures["load_ratio"] > 0
    assert "worker_share" in capsys.readouterr().out
