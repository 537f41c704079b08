"""The cells: which share of the rows a filter passes, and whether those lie near the query, far from it, or anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.filters.data import PRICES, Column, FilterData

__all__ = ["CORRELATIONS", "SELECTIVITIES", "Cell", "Comparison", "make_cells", "matching_rows", "passing_rows"]

Operator: TypeAlias = Literal["=", ">=", "<"]
Numbers: TypeAlias = NDArray[np.int64]

SELECTIVITIES = (100.0, 50.0, 10.0, 1.0, 0.1, 0.01)
CORRELATIONS = ("uncorrelated", "correlated", "anti-correlated")
_SEED = 43
_PRICE_SHARE = 0.28


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of a column with a number for each query."""

    column: Column
    operator: Operator
    numbers: Numbers

    def value(self, query: int) -> int | str:
        """Return what the column is compared with."""
        return self.column.value(int(self.numbers[query]))

    def passes(self, query: int, rows: NDArray[Any] | slice = slice(None)) -> NDArray[np.bool_]:
        """Tell which of the rows pass."""
        held, number = self.column.rows[rows], self.numbers[query]
        passing = held == number if self.operator == "=" else held >= number if self.operator == ">=" else held < number
        return np.asarray(passing)


@dataclass(frozen=True, slots=True)
class Cell:
    """One filter, with other values for each query.

    Attributes:
        data: Name of the data.
        name: What it is called.
        comparisons: What is compared, all of which a row has to pass; none passes every row.
        selectivity: Percent of the rows that pass.
        correlation: Where they lie, or None where the cell is not of the grid.
    """

    data: str
    name: str
    comparisons: tuple[Comparison, ...]
    selectivity: float
    correlation: str | None = None

    @property
    def title(self) -> str:
        """Data and name."""
        return f"{self.data}: {self.name}"

    def values(self, query: int) -> tuple[int, ...]:
        """Return the numbers of a query; those with the same have the same filter."""
        return tuple(int(comparison.numbers[query]) for comparison in self.comparisons)


def make_cells(data: FilterData) -> list[Cell]:
    """Return the grid, and where the data have labels the cells with names of their own."""
    return [*_grid(data), *_named(data)]


def matching_rows(cell: Cell, query: int, count: int) -> Numbers:
    """Return the ids of the rows that pass the filter of a query, of ``count`` rows."""
    return np.flatnonzero(passing_rows(cell, query, count))


def passing_rows(cell: Cell, query: int, count: int) -> NDArray[np.bool_]:
    """Tell of each row whether it passes."""
    passing = np.ones(count, dtype=np.bool_)
    for comparison in cell.comparisons:
        passing &= comparison.passes(query)
    return passing


def _grid(data: FilterData) -> Iterator[Cell]:
    published = (Comparison(data.columns["published"], "=", np.ones(len(data.queries), dtype=np.int64)),)
    for correlation in CORRELATIONS:
        # Rows that are near and rows that are far are the same rows here; one cell has no filter at all.
        comparisons = () if correlation == "uncorrelated" else published
        yield Cell(data.name, f"100% {correlation}", comparisons, 100.0, correlation)
    random = np.random.default_rng(_SEED)
    for level in data.regions:
        percent = 100 / level.count
        by_chance = random.integers(level.count, size=len(data.queries))
        columns = (data.columns[f"{kind}_{level.count}"] for kind in ("random", "region", "region"))
        numbers = (by_chance, level.near, level.far)
        for correlation, column, of_queries in zip(CORRELATIONS, columns, numbers, strict=True):
            comparison = Comparison(column, "=", of_queries)
            yield Cell(data.name, f"{percent:g}% {correlation}", (comparison,), percent, correlation)


def _named(data: FilterData) -> Iterator[Cell]:
    if data.own_labels is None or data.far_labels is None:
        return
    label = data.columns["label"]
    yield Cell(data.name, "own label", (Comparison(label, "=", data.own_labels),), 10.0)
    yield Cell(data.name, "far label", (Comparison(label, "=", data.far_labels),), 10.0)
    random, count = np.random.default_rng(_SEED + 1), len(data.queries)
    width = round(PRICES * _PRICE_SHARE)
    lowest = random.integers(PRICES - width, size=count)
    comparisons = (
        Comparison(label, "=", random.integers(10, size=count)),
        Comparison(data.columns["random_2"], "=", random.integers(2, size=count)),
        Comparison(data.columns["price"], ">=", lowest),
        Comparison(data.columns["price"], "<", lowest + width),
    )
    yield Cell(data.name, "three fields", comparisons, 1.4)
