"""The recipe that finds the smallest ``ef_search`` for a recall, and stores it where the planner looks."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy as sa

from pgvec.errors import AccessDeniedError, IndexNotFoundError, MappingMismatchError, MigrationPendingError
from pgvec.model import (
    IndexMethod,
    MeasureProgressCallback,
    RecallPoint,
    TableFacts,
    Target,
    TunedClass,
    TuneReport,
)
from pgvec.operations.recall import Answer, Meter, Truth, point, queries_for, true_answers
from pgvec.operations.receipt import receipt
from pgvec.operations.search import Question
from pgvec.statements.plan import LARGEST_EF_SEARCH, SearchPlan
from pgvec.statements.planner import filter_class, index_plan, planned_share
from pgvec.statements.recall import chosen_by_key, discard_setting, may_store_settings, store_setting
from pgvec.statements.requests import Execute, Find, Request, Survey
from pgvec.statements.search import QUERY

__all__ = ["FILTER_SHARES", "LADDER", "tune"]

LADDER = (10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 1_000)
"""The values of ``ef_search`` that are tried."""

FILTER_SHARES = {"all": 1.0, "half": 0.5, "tenth": 0.1, "rare": 0.01}
"""Share of the rows that pass the filter that each class is measured with."""


@dataclass(frozen=True, slots=True)
class _Class:
    """A class of filters: its name, the filter that stands for it, and what that passes."""

    name: str
    where: sa.ColumnElement[bool] | None
    share: float


def tune(
    target: Target,
    question: Question,
    given: Sequence[Any] | None,
    *,
    targets: Sequence[float],
    filter_classes: Sequence[str],
    sample: int,
    every: bool = False,
    store: bool = True,
    progress: MeasureProgressCallback | None = None,
) -> Generator[Request, Any, TuneReport]:
    """Find the smallest ``ef_search`` that reaches each target, for each class of filters.

    Args:
        target: What is searched.
        question: The search, without its query, that shows the key; its condition, if any, stands for its class alone.
        given: Query vectors, checked; None takes a sample of the records.
        targets: Recalls to reach, in order.
        filter_classes: Classes to measure, where the question has no condition.
        sample: How many records to take as queries.
        every: Whether to measure every value of the ladder, for a picture, instead of searching it.
        store: Whether to store what is found.
        progress: Told of every search.

    Raises:
        MigrationPendingError: The table for the settings is missing.
        AccessDeniedError: This role may not write it.
        IndexNotFoundError: There is no HNSW index to tune.
    """
    if store:
        yield from _require_access(target)
    facts = yield from _facts(target)
    classes = _classes(target, question, facts, filter_classes)
    queries = yield from queries_for(target, given, sample)
    rungs = len(LADDER) if every else 4 + len(targets)
    meter = Meter(progress, total=len(queries) * len(classes) * (1 + rungs))
    found: list[TunedClass] = []
    for chosen in classes:
        bench = _Bench(target, replace(question, where=chosen.where), facts, chosen, meter)
        found += yield from bench.tune(queries, targets, every=every)
    if store:
        yield from _store(target, facts, question.shape.limit, found)
    return TuneReport(question.shape.limit, len(queries), store, tuple(found))


class _Bench:
    """Measures one class of filters."""

    def __init__(self, target: Target, question: Question, facts: TableFacts, chosen: _Class, meter: Meter) -> None:
        self.target = target
        self.question = question
        self.chosen = chosen
        self.meter = meter
        where = question.where
        self.where_key = None if where is None else where._generate_cache_key()  # noqa: SLF001 - SQLAlchemy's own
        plan = index_plan(target, question.shape, where, facts, share=chosen.share)
        if plan is None or plan.index is None or plan.index.method is not IndexMethod.HNSW:
            raise IndexNotFoundError(
                f"{target.name} has no HNSW index on {target.column.attribute} that serves the distance {target.distance}, "
                "so there is no ef_search to tune: build one first, with HnswIndex in your model"
            )
        self.plan: SearchPlan = plan
        self.trials: dict[int, RecallPoint] = {}

    def tune(
        self, queries: Sequence[tuple[Any, tuple[Any, ...] | None]], targets: Sequence[float], *, every: bool
    ) -> Generator[Request, Any, list[TunedClass]]:
        truths = yield from true_answers(self.target, self.question, queries, self.meter)
        rungs = self._rungs(held_out=queries[0][1] is not None)
        if every:
            for ef_search in rungs:
                yield from self._trial(truths, ef_search)
        found = []
        for wanted in targets:
            reached = yield from self._smallest(truths, rungs, wanted)
            found.append((wanted, reached))
        trials = tuple(self.trials[ef_search] for ef_search in sorted(self.trials))
        assert self.plan.index is not None
        return [
            TunedClass(
                filter_class=self.chosen.name,
                share=self.chosen.share,
                index=self.plan.index.name or "",
                target_recall=wanted,
                ef_search=reached,
                recall=self.trials[rungs[-1] if reached is None else reached].recall,
                trials=trials,
            )
            for wanted, reached in found
        ]

    def _rungs(self, *, held_out: bool) -> list[int]:
        """What can be tried: a search visits at least as many elements as it returns, the query's own record among them."""
        least = self.question.shape.limit * self.plan.oversampling + held_out
        return [ef_search for ef_search in LADDER if ef_search >= least] or [LARGEST_EF_SEARCH]

    def _smallest(
        self, truths: Sequence[Truth], rungs: Sequence[int], wanted: float
    ) -> Generator[Request, Any, int | None]:
        """Search the ladder by halves; the rung below the one returned was tried, and missed."""
        below, at = -1, len(rungs) - 1
        best = yield from self._trial(truths, rungs[at])
        if best.recall < wanted:
            return None
        while at - below > 1:
            middle = (below + at) // 2
            tried = yield from self._trial(truths, rungs[middle])
            if tried.recall >= wanted:
                at = middle
            else:
                below = middle
        return rungs[at]

    def _trial(self, truths: Sequence[Truth], ef_search: int) -> Generator[Request, Any, RecallPoint]:
        if ef_search not in self.trials:
            self.meter.stage = f"{self.chosen.name}: ef_search {ef_search}"
            plan = replace(self.plan, ef_search=ef_search, ef_is_floor=False)
            yield from self._ask(plan, truths[0])
            answers = []
            for truth in truths:
                answers.append((yield from self._ask(plan, truth)))
                self.meter.count()
            self.trials[ef_search] = point(truths, answers, self.question.shape.limit)
        return self.trials[ef_search]

    def _ask(self, plan: SearchPlan, truth: Truth) -> Generator[Request, Any, Answer]:
        question = self.question
        shape = replace(question.shape, limit=question.shape.limit + (truth.key is not None))
        parameters = {QUERY: truth.query}
        find = Find(self.target, shape, plan, question.where, question.display, False, parameters, self.where_key)
        started = time.perf_counter()
        found = yield find
        milliseconds = (time.perf_counter() - started) * 1_000
        rows = tuple((tuple(row[0]), row[1]) for row in found)
        return Answer(rows, milliseconds, receipt(find, found, 1).strategy.value, plan.ef_search)


def _require_access(target: Target) -> Generator[Request, Any, None]:
    answer = yield Execute(may_store_settings(), target)
    ((exists, writable),) = answer.rows
    if not exists:
        raise MigrationPendingError(
            "The table pgvec.search_setting is missing, which holds what is tuned: run  pgvec migrate up  or tune with store=False"
        )
    if not writable:
        raise AccessDeniedError(
            "This role may not write pgvec.search_setting: tune as the owner of the schema pgvec, let it  GRANT INSERT, UPDATE, "
            "DELETE ON pgvec.search_setting  to this role, or tune with store=False"
        )


def _facts(target: Target) -> Generator[Request, Any, TableFacts]:
    facts, _ = yield Survey(target, fresh=True)
    if facts is None:
        raise MappingMismatchError(f"The table {target.name} does not exist in the database: run the migrations")
    return facts  # type: ignore[no-any-return]


def _classes(target: Target, question: Question, facts: TableFacts, filter_classes: Sequence[str]) -> list[_Class]:
    """The classes to measure; a condition of the caller stands for the one in which the planner sees it."""
    if question.where is not None:
        share = planned_share(target, question.shape, question.where, facts)
        return [_Class(filter_class(share), question.where, share)]
    return [
        _Class(name, None if name == "all" else chosen_by_key(target, share), share)
        for name, share in FILTER_SHARES.items()
        if name in filter_classes
    ]


def _store(target: Target, facts: TableFacts, limit: int, found: Sequence[TunedClass]) -> Generator[Request, Any, None]:
    """Replace what is stored; what reached no target is deleted. Searches of this pool know it at once."""
    assert facts.relation is not None, "the table was asked"
    for tuned in found:
        key = {
            "relation_schema": facts.relation[0],
            "relation_name": facts.relation[1],
            "index_name": tuned.index,
            "filter_class": tuned.filter_class,
            "row_limit": limit,
            "target_recall": tuned.target_recall,
        }
        if tuned.ef_search is None:
            yield Execute(discard_setting(), target, {f"key_{name}": value for name, value in key.items()})
            continue
        details = {"share": tuned.share, "trials": [asdict(trial) for trial in tuned.trials]}
        values = {**key, "ef_search": tuned.ef_search, "recall": tuned.recall, "details": details}
        yield Execute(store_setting(), target, values)
    yield Survey(target, fresh=True)
