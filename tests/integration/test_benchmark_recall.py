"""The benchmark of recall on small data: targets are kept, reports are true."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from benchmarks.filters.data import generated
from benchmarks.filters.store import open_store
from benchmarks.recall.__main__ import as_json, markdown
from benchmarks.recall.measure import TARGETS, check_report, check_targets
from pgvec.execution.url import engine_url


def test_searches_keep_the_recall_that_they_are_asked_for(server_url: str, tmp_path: Path) -> None:
    """Against the truth that NumPy computes, in every class of filters; the tables and the keys say so."""
    data = generated(1_200, 30, dimensions=16)
    with open_store(server_url, tmp_path) as store:
        engine = sa.create_engine(engine_url(store.open(data).conninfo))
        _, targets = check_targets(engine, data, sample=30)
        reports = check_report(engine, data, sample=30, ef_search=10)
        engine.dispose()
    assert len(targets) == 4 * len(TARGETS)
    # Thirty queries tune less sharply than the two hundred that are the default.
    assert all(check.recall >= check.target - 0.05 for check in targets), markdown(targets, reports)
    assert all(check.smaller is None or check.smaller < check.target for check in targets)
    # Where both samples are the same the report is the truth; other queries may differ, by luck.
    assert reports[1].holds
    keys = as_json(targets, reports)
    assert keys["rows_short"] == 0
    assert "| given |" in markdown(targets, reports)
