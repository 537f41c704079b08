"""Measures the cells, one after the other: all contenders in turns, those that cannot win only a little."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.filters.data import FilterData
from benchmarks.filters.grid import Cell
from benchmarks.filters.oracle import CellResult, StrategyResult, choose_oracle, is_good
from benchmarks.filters.strategies import Contender, clocks_of
from benchmarks.filters.truth import Truth, find_truth, judge
from benchmarks.measure import Timings, measure
from benchmarks.search import found_ids
from pgvec import Matches

__all__ = ["Effort", "measure_cell", "worth_measuring"]

# A strategy that takes so many times the median of the best one is not measured further.
_HOPELESS = 6.0
_WARM_UP = 10


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        queries: Queries in each cell.
        rounds: How often each is asked.
        pilot: Queries by which it is decided who is worth measuring.
        thorough: Measure every strategy with every query, the hopeless ones too.
        cpu: Count the time of the CPU instead of that on the wall.
        always: With what the names of those begin that are measured in full anyway.
    """

    queries: int = 500
    rounds: int = 3
    pilot: int = 30
    thorough: bool = False
    cpu: bool = False
    always: tuple[str, ...] = ("pgvec",)


def measure_cell(data: FilterData, cell: Cell, contenders: Mapping[str, Contender], effort: Effort) -> CellResult:
    """Measure the contenders in a cell, in full where they can win."""
    truth = find_truth(data, cell, effort.queries)
    race = _Race(_Judge(data, cell, truth), effort, contenders)
    pilot = race.pilot()
    chosen = set(contenders) if effort.thorough else worth_measuring(pilot, effort.always)
    results = race.measured(chosen)
    if len(chosen) < len(contenders) and choose_oracle(results) is None:
        results = race.measured(set(contenders))
    everyone = {name: results.get(name, pilot[name]) for name in contenders}
    return CellResult(
        cell.data, cell.name, cell.selectivity, cell.correlation, float(np.median(truth.matching)), everyone
    )


def worth_measuring(pilot: Mapping[str, StrategyResult], always: tuple[str, ...]) -> set[str]:
    """Return the strategies that may be the fastest good one, and those whose names begin with one of ``always``."""
    good = [result.p50_ms for name, result in pilot.items() if is_good(result) and not name.startswith("pgvec")]
    limit = min(good, default=np.inf) * _HOPELESS
    return {name for name, result in pilot.items() if name.startswith(always) or result.p50_ms <= limit}


@dataclass(frozen=True, slots=True)
class _Judge:
    """Turns timings and answers into results."""

    data: FilterData
    cell: Cell
    truth: Truth

    def results(self, timings: Mapping[str, Timings], *, full: bool) -> dict[str, StrategyResult]:
        return {name: self._result(timing, full) for name, timing in timings.items()}

    def _result(self, timing: Timings, full: bool) -> StrategyResult:
        rounds, queries = timing.seconds.shape
        ids = found_ids(timing)
        quality = judge(self.data, self.cell, self.truth, ids)
        wanted = self.truth.wanted.tolist()
        receipts = [answer.receipt if isinstance(answer, Matches) else None for answer in timing.answers]
        return StrategyResult(
            recall=quality.recall,
            answers_short=quality.answers_short,
            rows_short=quality.rows_short,
            p50_ms=timing.typical(50),
            p95_ms=timing.typical(95),
            queries=queries,
            rounds=rounds,
            full=full,
            receipts=Counter(str(receipt.strategy) for receipt in receipts if receipt is not None),
            false_claims=sum(
                receipt is not None and receipt.complete and len(found) < needed
                for receipt, found, needed in zip(receipts, ids, wanted, strict=False)
            ),
        )


class _Race:
    """The contenders in one cell."""

    def __init__(self, judge: _Judge, effort: Effort, contenders: Mapping[str, Contender]) -> None:
        self._judge = judge
        self._effort = effort
        self._searches = {name: contender.prepare(judge.cell) for name, contender in contenders.items()}
        self._clocks = clocks_of(contenders, cpu=effort.cpu)

    def pilot(self) -> dict[str, StrategyResult]:
        """Ask everyone a few queries, and again: a connection that touches its pages for the first time takes much longer."""
        queries = min(self._effort.pilot, self._effort.queries)
        self._timed(set(self._searches), queries, 1)
        return self._judge.results(self._timed(set(self._searches), queries, 1), full=False)

    def measured(self, chosen: set[str]) -> dict[str, StrategyResult]:
        """Ask the chosen everything."""
        return self._judge.results(self._timed(chosen, self._effort.queries, self._effort.rounds), full=True)

    def _timed(self, chosen: set[str], queries: int, rounds: int) -> dict[str, Timings]:
        searches = {name: search for name, search in self._searches.items() if name in chosen}
        return measure(searches, queries, rounds=rounds, warm_up=_WARM_UP, clocks=self._clocks)
