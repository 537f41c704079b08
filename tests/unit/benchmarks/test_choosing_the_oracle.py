"""Who counts as the best of a cell, and what the figures of a run are made of."""

from __future__ import annotations

import pytest

from benchmarks.filters.cells import worth_measuring
from benchmarks.filters.oracle import CellResult, StrategyResult, choose_oracle, grid_keys, p95_limit


def _result(p95: float, *, recall: float = 1.0, short: int = 0, full: bool = True) -> StrategyResult:
    return StrategyResult(recall, short, short * 2, p95 / 2, p95, queries=500, rounds=3, full=full)


def _cell(pgvec: StrategyResult, best: float, correlation: str | None = "correlated") -> CellResult:
    return CellResult("data", f"cell {best}", 10.0, correlation, 100, {"exact": _result(best), "pgvec": pgvec})


def test_the_oracle_is_the_fastest_that_is_complete_and_near_the_truth() -> None:
    """Faster strategies that come back short, miss the recall, were not asked everything, or are pgvec do not count."""
    strategies = {
        "short": _result(1.0, short=1),
        "inexact": _result(1.1, recall=0.949),
        "sampled": _result(1.2, full=False),
        "pgvec": _result(1.3),
        "pgvec_advised": _result(1.4),
        "relaxed": _result(2.0, recall=0.95),
        "exact": _result(9.0),
    }

    assert choose_oracle(strategies) == "relaxed"
    assert choose_oracle({"short": strategies["short"]}) is None


@pytest.mark.parametrize(("oracle", "limit"), [(0.2, 0.8), (1.2, 1.8), (10.0, 15.0)])
def test_the_limit_leaves_room_for_a_fixed_cost(oracle: float, limit: float) -> None:
    """Pgvec may take 1.5 times as long, or 0.6 ms longer, whichever is more."""
    assert p95_limit(oracle) == pytest.approx(limit)


def test_keys_are_sums_worst_cases_and_a_mean_over_the_grid() -> None:
    """Cells with names of their own count for everything but the mean, and an oracle below 0.6 ms counts as that."""
    cells = [
        _cell(_result(0.84), best=0.3),
        _cell(_result(3.0, recall=0.96, short=1), best=2.0),
        _cell(_result(40.0, recall=0.97), best=10.0, correlation=None),
    ]

    keys = grid_keys(cells)

    assert keys == {
        "rows_short": 2,
        "min_recall": 0.96,
        "cells_over_limit": 1,
        "over_limit": ["data: cell 10.0"],
        "false_claims": 0,
        "mean_ratio": pytest.approx((0.84 / 0.6 + 3.0 / 2.0) / 2),
    }


def test_a_run_without_pgvec_has_no_keys() -> None:
    """There is nothing to be said about pgvec where it was not measured."""
    cell = CellResult("data", "cell", 10.0, "correlated", 100, {"exact": _result(1.0)})

    assert grid_keys([cell]) == {}
    assert cell.ratio() is None
    assert not cell.over_limit()


def test_hopeless_strategies_are_left_out_but_never_pgvec() -> None:
    """What takes many times as long as the best good strategy cannot win; a fast bad one does not set the measure."""
    pilot = {
        "plain": _result(0.1, short=3),
        "relaxed": _result(2.0),
        "strict": _result(11.0),
        "exact": _result(13.0),
        "pgvec": _result(90.0),
    }

    assert worth_measuring(pilot, ("pgvec",)) == {"plain", "relaxed", "strict", "pgvec"}
    assert worth_measuring({"plain": _result(9.0, recall=0.1)}, ()) == {"plain"}
