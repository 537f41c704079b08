"""Tunes an index, asks for each recall, and compares with the truth, which NumPy computes and pgvec has no part in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from benchmarks.filters.data import FilterData
from benchmarks.filters.grid import Cell, make_cells
from benchmarks.filters.store import define_model
from benchmarks.filters.truth import find_truth, judge
from pgvec import RecallReport, Repository, TuneReport

__all__ = ["TARGETS", "ReportCheck", "TargetCheck", "check_report", "check_targets"]

TARGETS = (0.9, 0.95, 0.99)
_CELLS = {
    "100% uncorrelated": "all",
    "50% uncorrelated": "half",
    "10% uncorrelated": "tenth",
    "1% uncorrelated": "rare",
}


@dataclass(frozen=True, slots=True)
class TargetCheck:
    """What searches with ``recall=`` reached.

    Attributes:
        data: Name of the data.
        cell: The filter.
        target: Recall that was asked for.
        ef_search: What tuning stored for the class of the filter, or None where nothing reached the target.
        smaller: What the next smaller ``ef_search`` reached when it was tried, or None where there is none.
        recall: What was measured, against the truth of queries that the table does not hold.
        rows_short: Rows that came back too few.
    """

    data: str
    cell: str
    target: float
    ef_search: int | None
    smaller: float | None
    recall: float
    rows_short: int

    @property
    def holds(self) -> bool:
        """Whether the recall is reached, and by no larger setting than it takes."""
        return self.recall >= self.target - 0.01 and (self.smaller is None or self.smaller < self.target)


@dataclass(frozen=True, slots=True)
class ReportCheck:
    """What a report says, and what is true.

    Attributes:
        data: Name of the data.
        queries: Where its queries come from: ``records`` of the table, or ``given``.
        report: The report.
        truth: Recall of all queries of the data.
    """

    data: str
    queries: str
    report: RecallReport
    truth: float

    @property
    def holds(self) -> bool:
        """Whether the truth lies in the interval of the report."""
        return self.report.low <= self.truth <= self.report.high


def check_targets(engine: sa.Engine, data: FilterData, *, sample: int) -> tuple[TuneReport, list[TargetCheck]]:
    """Tune, and ask for each target in each class of filters."""
    model = define_model(data)
    items = Repository(engine, model)
    tuned = items.tune(target_recall=TARGETS, sample=sample)
    checks = []
    for cell in make_cells(data):
        if cell.name in _CELLS:
            truth = find_truth(data, cell, len(data.queries))
            for target in TARGETS:
                quality = judge(data, cell, truth, _ask(items, model, data, cell, recall=target))
                ef_search, smaller = _setting(tuned, _CELLS[cell.name], target)
                checks.append(
                    TargetCheck(data.name, cell.name, target, ef_search, smaller, quality.recall, quality.rows_short)
                )
    return tuned, checks


def check_report(engine: sa.Engine, data: FilterData, *, sample: int, ef_search: int) -> list[ReportCheck]:
    """Measure recall by samples of records and of the queries, and compare with the truth of all queries."""
    model = define_model(data)
    items = Repository(engine, model)
    cell = next(cell for cell in make_cells(data) if not cell.comparisons)
    truth = find_truth(data, cell, len(data.queries))
    true = judge(data, cell, truth, _ask(items, model, data, cell, ef_search=ef_search)).recall
    by_records = items.recall(sample=sample, ef_search=ef_search)
    given = items.recall(queries=data.queries[:sample], ef_search=ef_search)
    return [ReportCheck(data.name, "records", by_records, true), ReportCheck(data.name, "given", given, true)]


def _ask(items: Repository[Any], model: type[Any], data: FilterData, cell: Cell, **options: Any) -> list[list[int]]:
    answers = []
    for query, vector in enumerate(data.queries):
        conditions = [
            getattr(model, comparison.column.name) == comparison.value(query) for comparison in cell.comparisons
        ]
        where = conditions[0] if conditions else None
        found = items.search(vector, where=where, columns=(model.id,), **options)
        answers.append([row.id for row in found.records])
    return answers


def _setting(tuned: TuneReport, filter_class: str, target: float) -> tuple[int | None, float | None]:
    (found,) = (one for one in tuned.classes if one.filter_class == filter_class and one.target_recall == target)
    if found.ef_search is None:
        return None, None
    below: Sequence[float] = [
        trial.recall for trial in found.trials if trial.ef_search is not None and trial.ef_search < found.ef_search
    ]
    return found.ef_search, below[-1] if below else None
