"""What the figures of a cell say: the best that can be done by hand there, and how far pgvec is from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

__all__ = [
    "ALLOWED_MS",
    "ALLOWED_RATIO",
    "LEAST_RECALL",
    "CellResult",
    "StrategyResult",
    "choose_oracle",
    "grid_keys",
    "is_good",
    "p95_limit",
]

LEAST_RECALL = 0.95
ALLOWED_RATIO = 1.5
ALLOWED_MS = 0.6


@dataclass(frozen=True, slots=True)
class StrategyResult:
    """What a strategy did in a cell.

    Attributes:
        recall: Share of the nearest ten that it found.
        answers_short: Answers with fewer rows than ten, or than match.
        rows_short: Rows that these lack.
        p50_ms: Median latency, in the median of the rounds.
        p95_ms: 95th percentile, likewise.
        queries: How many queries were asked in each round.
        rounds: In how many rounds. A strategy that cannot win is asked little.
        full: Whether it was asked everything.
        receipts: How many answers pgvec gave by each of its own strategies.
        false_claims: Answers whose receipt claims to be complete, although rows are missing.
    """

    recall: float
    answers_short: int
    rows_short: int
    p50_ms: float
    p95_ms: float
    queries: int
    rounds: int
    full: bool = True
    receipts: Mapping[str, int] = field(default_factory=dict)
    false_claims: int = 0


@dataclass(frozen=True, slots=True)
class CellResult:
    """What the strategies did in a cell.

    Attributes:
        data: Name of the data.
        name: Name of the cell.
        selectivity: Percent of the rows that pass.
        correlation: Where they lie, or None where the cell is not of the grid.
        matching: How many rows pass, in the median of the queries.
        strategies: By name; ``pgvec`` among them.
    """

    data: str
    name: str
    selectivity: float
    correlation: str | None
    matching: float
    strategies: Mapping[str, StrategyResult]

    @property
    def title(self) -> str:
        """Data and name."""
        return f"{self.data}: {self.name}"

    @property
    def oracle(self) -> str | None:
        """The best strategy by hand."""
        return choose_oracle(self.strategies)

    def ratio(self) -> float | None:
        """Latency of pgvec over the oracle's, by the 95th percentile, where less than 0.6 ms counts as that."""
        pgvec, best = self.strategies.get("pgvec"), self.oracle
        if pgvec is None or best is None:
            return None
        return pgvec.p95_ms / max(self.strategies[best].p95_ms, ALLOWED_MS)

    def median_ratio(self) -> float | None:
        """The same by medians, which noise moves less."""
        pgvec, best = self.strategies.get("pgvec"), self.oracle
        if pgvec is None or best is None:
            return None
        return pgvec.p50_ms / max(self.strategies[best].p50_ms, ALLOWED_MS)

    def over_limit(self) -> bool:
        """Tell whether pgvec is slower than it may be."""
        pgvec, best = self.strategies.get("pgvec"), self.oracle
        return pgvec is not None and best is not None and pgvec.p95_ms > p95_limit(self.strategies[best].p95_ms)

    def as_json(self) -> dict[str, Any]:
        """Return everything, with what follows from it."""
        best = self.oracle
        return {
            "data": self.data,
            "cell": self.name,
            "selectivity_percent": self.selectivity,
            "correlation": self.correlation,
            "in_grid": self.correlation is not None,
            "matching": self.matching,
            "oracle": best,
            "oracle_p95_ms": None if best is None else self.strategies[best].p95_ms,
            "limit_p95_ms": None if best is None else p95_limit(self.strategies[best].p95_ms),
            "ratio": self.ratio(),
            "p50_ratio": self.median_ratio(),
            "over_limit": self.over_limit(),
            "strategies": {name: _as_json(result) for name, result in self.strategies.items()},
        }


def is_good(result: StrategyResult) -> bool:
    """Tell whether answers were never short and nearly always the nearest."""
    return result.answers_short == 0 and result.recall >= LEAST_RECALL


def choose_oracle(strategies: Mapping[str, StrategyResult]) -> str | None:
    """Return the strategy with the smallest 95th percentile of those that are good and were asked everything, pgvec excluded."""
    eligible = (
        name for name, result in strategies.items() if not name.startswith("pgvec") and result.full and is_good(result)
    )
    return min(eligible, key=lambda name: strategies[name].p95_ms, default=None)


def p95_limit(oracle_p95_ms: float) -> float:
    """Return what pgvec may take where the oracle takes so much."""
    return max(ALLOWED_RATIO * oracle_p95_ms, oracle_p95_ms + ALLOWED_MS)


def grid_keys(cells: Sequence[CellResult]) -> dict[str, Any]:
    """Return the figures of the whole: sums and worst cases over all cells, the mean over those of the grid."""
    by_pgvec = [cell.strategies["pgvec"] for cell in cells if "pgvec" in cell.strategies]
    if not by_pgvec:
        return {}
    over = [cell.title for cell in cells if cell.over_limit()]
    keys: dict[str, Any] = {
        "rows_short": sum(result.rows_short for result in by_pgvec),
        "min_recall": min(result.recall for result in by_pgvec),
        "cells_over_limit": len(over),
        "over_limit": over,
        "false_claims": sum(result.false_claims for result in by_pgvec),
    }
    ratios = list(_grid_ratios(cells))
    if ratios:
        keys["mean_ratio"] = fmean(ratios)
    return keys


def _grid_ratios(cells: Iterable[CellResult]) -> Iterable[float]:
    for cell in cells:
        ratio = cell.ratio()
        if cell.correlation is not None and ratio is not None:
            yield ratio


def _as_json(result: StrategyResult) -> dict[str, Any]:
    values: dict[str, Any] = {
        "recall@10": result.recall,
        "answers_short": result.answers_short,
        "rows_short": result.rows_short,
        "p50_ms": result.p50_ms,
        "p95_ms": result.p95_ms,
        "queries": result.queries,
        "rounds": result.rounds,
        "full": result.full,
    }
    if result.receipts:
        values |= {"receipts": dict(result.receipts), "false_claims": result.false_claims}
    return values
