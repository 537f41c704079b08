"""Chooses how a search is answered, from what is known of the table: a pure function of values.

Two costs are weighed. An exact answer compares each of the M rows that pass the filter; an index has to visit about wanted * N / M
elements before enough of them pass. The first grows with M and the second shrinks, so there is one M at which they
meet: fewer rows are compared, more are left to the index. The index gives up after a part of what the exact answer costs,
so a filter that points away from the query costs little more than the exact answer it ends with.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from pgvec.model import (
    CatalogIndex,
    IndexMethod,
    TableFacts,
    Target,
    TunedSetting,
    VectorIndex,
    VectorType,
)
from pgvec.statements.conditions import Leaf, columns_of, conjuncts, is_containment, parts_of, read_leaf, unwrapped
from pgvec.statements.costing import costing_of, rounded
from pgvec.statements.plan import (
    DEFAULT_EF_SEARCH,
    LARGEST_EF_SEARCH,
    Form,
    SearchPlan,
    SearchShape,
    oversampling,
    target_table,
)
from pgvec.statements.predicates import implied
from pgvec.statements.selectivity import EVERYTHING, Share, all_of, share_of

__all__ = ["DEFAULT_RECALL", "choose_plan", "filter_class", "index_plan", "planned_share", "remembered_plan"]

DEFAULT_RECALL = 0.95

# Rows to compare in full after a comparison by a compact form, for each row that is wanted.
_POOL = {VectorType.BIT: 20, VectorType.HALFVEC: 4}
_UNKNOWN_ROWS = 100_000.0
_NOTEWORTHY_ROWS = 10_000
_plans: dict[Any, SearchPlan] = {}
_MOST_PLANS = 5_000
_EF_WITHOUT_MEASUREMENT = ((0.9, 40), (0.95, 80), (0.98, 120), (0.99, 200), (1.0, 400))


def choose_plan(
    target: Target, shape: SearchShape, where: Any, facts: TableFacts | None, *, recall: float | None = None
) -> SearchPlan:
    """Return how to answer a search.

    Args:
        target: What to search.
        shape: What is asked for.
        where: The condition as SQLAlchemy has it, with the values of this search, or None.
        facts: What is known of the table, or None where nothing is.
        recall: Share of the true nearest that an approximate answer shall contain, or None for the default.
    """
    if shape.exact:
        return SearchPlan(Form.EXACT, reasons=("exact=True was asked for",))
    return _Planner(target, shape, where, facts or TableFacts(None), recall, known=facts is not None).plan()


def index_plan(target: Target, shape: SearchShape, where: Any, facts: TableFacts, *, share: float) -> SearchPlan | None:
    """Return the plan that asks the index in any case, for a filter that passes a known share of the rows.

    Args:
        target: What to search.
        shape: What is asked for.
        where: The condition, or None.
        facts: What is known of the table.
        share: The share of rows that pass the condition.

    Returns:
        The plan, without an ``ef_search`` of its own, or None where no index serves such a search.
    """
    return _Planner(target, shape, where, facts, None, known=True).by_index(share)


def planned_share(target: Target, shape: SearchShape, where: Any, facts: TableFacts) -> float:
    """Return the share of the rows that a condition passes, as far as the planner can tell: it decides the class of the filter."""
    return _Planner(target, shape, where, facts, None, known=True).share()


def remembered_plan(
    target: Target,
    shape: SearchShape,
    where: Any,
    facts: TableFacts | None,
    *,
    recall: float | None,
    where_key: Any,
) -> SearchPlan:
    """Return what :func:`choose_plan` returns; for a condition that was planned before with the same values, from memory.

    Args:
        target: What to search.
        shape: What is asked for.
        where: The condition, or None.
        facts: What is known of the table; other facts are planned for anew.
        recall: As for :func:`choose_plan`.
        where_key: SQLAlchemy's sign of the condition's structure, with its values, or None where it has none.
    """
    if where is not None and where_key is None:
        return choose_plan(target, shape, where, facts, recall=recall)
    structure = where_key and (where_key.key, *(bind.value for bind in where_key.bindparams))
    key = (target, shape, recall, facts, structure)
    try:
        plan = _plans.get(key)
    except TypeError:  # a value that has no hash, such as a list
        return choose_plan(target, shape, where, facts, recall=recall)
    if plan is None:
        plan = choose_plan(target, shape, where, facts, recall=recall)
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        _plans[key] = plan
    return plan


def filter_class(share: float | None) -> str:
    """Return the class of a filter that passes this share of the rows, None for searches without one."""
    if share is None:
        return "all"
    return "half" if share >= 0.25 else "tenth" if share >= 0.03 else "rare"


class _Planner:
    def __init__(
        self, target: Target, shape: SearchShape, where: Any, facts: TableFacts, recall: float | None, *, known: bool
    ) -> None:
        self.target = target
        self.shape = shape
        self.where = where
        self.facts = facts
        self.recall = recall
        self.known = known
        self.costing = costing_of(target, facts, shape)
        self.warnings: list[str] = []
        self.reasons: list[str] = []
        self._found_by_index: bool | None = None

    def plan(self) -> SearchPlan:
        chosen = self._choose_index()
        if chosen is None and self.known:
            return self._without_index()
        index = self.target.index if chosen is None else chosen.index
        share = self._share(self.where)
        rows = _UNKNOWN_ROWS if self.facts.rows is None else max(1.0, self.facts.rows)
        matching = (share.low * rows, share.high * rows)
        if chosen is not None and chosen.predicate:
            self.reasons.append(f"the filter implies the predicate of the partial index {chosen.name}")
        plan = SearchPlan(
            Form.INDEX,
            index,
            predicate=(chosen.predicate or ()) if chosen is not None else (),
            oversampling=oversampling(index),
            hides_filter=not self.facts.is_partitioned,
            matching=None if self.facts.rows is None else matching,
        )
        plan = self._formed(plan, rows, matching, is_partial=bool(plan.predicate))
        plan = self._with_ef_search(plan, self._filter_share(matching, rows))
        return replace(plan, reasons=tuple(self.reasons), warnings=tuple(self.warnings))

    def share(self) -> float:
        """The middle of the bounds of the share of rows that pass."""
        share = self._share(self.where)
        return (share.low + share.high) / 2

    def by_index(self, share: float) -> SearchPlan | None:
        """The plan that asks the index, and gives up as one would that knows the share of rows that pass."""
        chosen = self._choose_index()
        if chosen is None or chosen.index is None:
            return None
        plan = SearchPlan(
            Form.INDEX, chosen.index, predicate=chosen.predicate or (), oversampling=oversampling(chosen.index)
        )
        rows = _UNKNOWN_ROWS if self.facts.rows is None else max(1.0, self.facts.rows)
        return plan if self.where is None else self._budgeted(plan, rows, share * rows)

    def _share(self, where: Any) -> Share:
        """Bounds of the share of all rows that can be found: those with an embedding that pass the condition."""
        statistics = self.facts.columns.get(self.target.column.name)
        embedded = EVERYTHING if statistics is None else Share(*2 * (1.0 - statistics.null_fraction,))
        if where is None:
            return embedded
        table = target_table(self.target)
        parts = [share_of(part, self.facts.columns, table) for part in conjuncts(where)]
        return all_of([embedded, *(self._within_partition(where) or parts)])

    def _within_partition(self, where: Any) -> list[Share] | None:
        """Where the condition leads to one partition, that partition's share is known without statistics."""
        total = self.facts.rows
        if not self.facts.partitions or not total:
            return None
        leaves = self._leaves(where)
        for partition in self.facts.partitions:
            if partition.rows is not None and partition.constraint and implied(partition.constraint, leaves):
                share = min(1.0, partition.rows / total)
                only = len(leaves) == 1 and sum(1 for _ in conjuncts(where)) == 1
                return [Share(share if only else 0.0, share)]
        return None

    def _leaves(self, where: Any) -> list[Leaf]:
        table = target_table(self.target)
        read = (read_leaf(part) for part in conjuncts(where))
        return [leaf for leaf in read if leaf is not None and leaf.table is table]

    def _filter_share(self, matching: tuple[float, float], rows: float) -> float | None:
        return None if self.where is None else sum(matching) / 2 / rows

    # The index

    def _choose_index(self) -> CatalogIndex | None:
        """The index to ask: a partial one that the condition implies before a complete one, a whole one before a smaller form."""
        mine = [index for index in self.facts.indexes if index.index is not None or index.problem]
        self.warnings += [
            f"the index {index.name} is INVALID, what an interrupted build left behind: it costs every write and serves no query"
            for index in mine
            if not index.valid
        ]
        usable = [index for index in mine if index.valid and not index.problem and index.index is not None]
        complete = [index for index in usable if index.predicate == ()]
        leaves = None
        for index in sorted((i for i in usable if i.predicate), key=lambda i: i.rows or math.inf):
            if self.where is None:
                break
            leaves = self._leaves(self.where) if leaves is None else leaves
            assert index.predicate is not None
            if implied(index.predicate, leaves):
                return index
        return complete[0] if complete else None

    def _without_index(self) -> SearchPlan:
        rows = self.facts.rows
        if rows is not None and rows > _NOTEWORTHY_ROWS:
            problems = "; ".join(f"{i.name}: {i.problem}" for i in self.facts.indexes if i.problem)
            self.warnings.append(
                f"no vector index on {self.target.name}.{self.target.column.name} serves the distance "
                f"{self.target.distance}, so every row that passes is compared" + (f" ({problems})" if problems else "")
            )
        share = self._share(self.where)
        return SearchPlan(
            Form.EXACT,
            matching=None if rows is None else (share.low * rows, share.high * rows),
            reasons=("there is no index that this search can use",),
            warnings=tuple(self.warnings),
        )

    # Exact or index

    def _formed(self, plan: SearchPlan, rows: float, matching: tuple[float, float], *, is_partial: bool) -> SearchPlan:
        if self.where is None or (is_partial and self._is_all_of(plan)):
            return self._unfiltered(plan, rows)
        low, high = matching
        known = self.facts.rows is not None
        plan = self._compacted(plan, high)
        cap = self.costing.border(rows, self._scan(rows), plan)
        if known and high <= cap:
            self.reasons.append(
                f"statistics promise at most {high:,.0f} matching rows, which cost less to compare than the index to ask "
                f"(up to {cap:,} rows)"
            )
            return replace(plan, form=Form.EXACT)
        if known and low >= cap:
            self.reasons.append(
                f"statistics promise at least {low:,.0f} matching rows, too many to compare ({cap:,} rows)"
            )
            return self._budgeted(plan, rows, (low + high) / 2)
        if not self._is_found_by_index():
            self.reasons.append(
                "no index finds the rows that pass, so to count them is to read the table: the vector index is asked first"
            )
            return self._budgeted(plan, rows, 2.0 * cap)
        self.reasons.append(
            f"statistics leave open whether more than {cap:,} rows match, so the statement counts: up to that number it compares "
            "them, beyond it asks the index"
        )
        return replace(self._budgeted(plan, rows, 2.0 * cap), form=Form.COUNTED, cap=cap)

    def _is_found_by_index(self) -> bool:
        """Whether an index other than the vector's finds the rows that pass some part of the condition."""
        if self._found_by_index is None:
            self._found_by_index = any(self._is_served(part) for part in conjuncts(self.where))
        return self._found_by_index

    def _is_served(self, condition: Any) -> bool:
        parts = parts_of(unwrapped(condition))
        if parts is not None:
            return all(self._is_served(part) for part in parts)
        named = columns_of(condition, target_table(self.target))
        known = self.facts.contained if is_containment(condition) else self.facts.indexed
        return bool(named) and named <= known

    def _is_all_of(self, plan: SearchPlan) -> bool:
        """Whether the predicate of the index says all that the condition says."""
        assert self.where is not None
        parts = list(conjuncts(self.where))
        leaves = [read_leaf(part) for part in parts]
        return all(leaf is not None and _says(leaf, plan) for leaf in leaves)

    def _unfiltered(self, plan: SearchPlan, rows: float) -> SearchPlan:
        most = self.costing.smallest_table()
        if self.facts.rows is None or rows > most or self.where is not None:
            self.reasons.append("nothing but the distance decides, so the index is asked")
            return plan
        self.reasons.append(f"the table has about {rows:,.0f} rows, which cost less to compare than the index to ask")
        return replace(plan, form=Form.COUNTED, cap=rounded(most))

    def _scan(self, rows: float) -> float:
        """Microseconds to find the rows that pass, where no index finds them."""
        if self.facts.rows is None or self._is_found_by_index():
            return 0.0
        costs = self.facts.costs
        return costs.page * (self.facts.pages or 0.0) + costs.check * rows

    def _compacted(self, plan: SearchPlan, high: float) -> SearchPlan:
        """Let rows be compared by a smaller form, where an index has it beside the columns of the filter."""
        table = target_table(self.target)
        named = [columns_of(part, table) for part in conjuncts(self.where)] if self.facts.compact else []
        filtered = frozenset[str]().union(*named)
        for form in self.facts.compact:
            # Signs tell too little of many vectors: only who indexes the column by them has said that they do here.
            trusted = form.type is VectorType.HALFVEC or _by_bits(plan.index)
            is_covering = all(named) and form.leading in filtered and {*self._key_columns(), *filtered} <= form.covered
            pool = self.shape.wanted * _POOL[form.type]
            compare = self.costing.compare
            if trusted and is_covering and high * (compare - self.costing.compare_compact(form)) > 2 * pool * compare:
                self.reasons.append(
                    f"an index brings {form.column} along, by which the {pool:,} rows to compare in full are chosen"
                )
                return replace(plan, compact=form, pool=pool)
        return plan

    def _key_columns(self) -> list[str]:
        entity = self.target.entity
        if isinstance(entity, sa.Table):
            return [entity.c[name].name for name in self.target.key]
        return [sa.inspect(entity).attrs[name].columns[0].name for name in self.target.key]

    def _budgeted(self, plan: SearchPlan, rows: float, matching: float) -> SearchPlan:
        budget = self.costing.budget(rows, matching, self._scan(rows), plan.oversampling)
        return replace(plan, budget=budget)

    # Recall

    def _with_ef_search(self, plan: SearchPlan, share: float | None) -> SearchPlan:
        if plan.form is Form.EXACT or (plan.index is not None and plan.index.method is not IndexMethod.HNSW):
            return plan
        if self.shape.ef_search is not None:
            return replace(plan, ef_search=self.shape.ef_search, ef_is_floor=False)
        candidates = self.shape.reach * plan.oversampling
        setting = self._tuned(plan.index, share)
        if setting is not None:
            return self._with_tuned(plan, setting, candidates)
        wanted = max(candidates, self._ef_by_rule())
        return replace(plan, ef_search=min(wanted, LARGEST_EF_SEARCH)) if wanted > DEFAULT_EF_SEARCH else plan

    def _with_tuned(self, plan: SearchPlan, setting: TunedSetting, candidates: int) -> SearchPlan:
        """Take what was measured as it is where a recall is asked for; else it never lowers what the server has set."""
        # An answer of more rows than were measured needs to look at that many more elements.
        measured = setting.ef_search * max(1.0, self.shape.reach / setting.limit)
        wanted = min(max(candidates, math.ceil(measured)), LARGEST_EF_SEARCH)
        self.reasons.append(
            f"ef_search = {setting.ef_search} reached recall@{setting.limit} {setting.recall:.3f} when {setting.index} was tuned"
        )
        if self.recall is not None:
            return replace(plan, ef_search=wanted, ef_is_floor=False)
        return replace(plan, ef_search=wanted) if wanted > DEFAULT_EF_SEARCH else plan

    def _ef_by_rule(self) -> int:
        if self.recall is None:
            return 0
        self.warnings.append(
            f"recall={self.recall:g} is asked for, and nothing is measured for this index and filter: run  pgvec tune  "
            "(ef_search was chosen by a rule of thumb)"
        )
        return next(ef for most, ef in _EF_WITHOUT_MEASUREMENT if self.recall <= most)

    def _tuned(self, index: VectorIndex | None, share: float | None) -> TunedSetting | None:
        """The smallest setting that reached the target: measured for at least as many rows as are wanted, or for the most."""
        target = DEFAULT_RECALL if self.recall is None else self.recall
        wanted = filter_class(share)
        found = [
            setting
            for setting in self.facts.settings
            if index is not None
            and setting.index == index.name
            and setting.filter_class == wanted
            and setting.target_recall >= target - 1e-9
        ]
        limits = {setting.limit for setting in found}
        enough = [limit for limit in limits if limit >= self.shape.reach]
        limit = min(enough) if enough else max(limits, default=0)
        fitting = (setting for setting in found if setting.limit == limit)
        return min(fitting, key=lambda setting: setting.ef_search, default=None)


def _by_bits(index: VectorIndex | None) -> bool:
    return index is not None and index.quantization is VectorType.BIT


def _says(leaf: Leaf, plan: SearchPlan) -> bool:
    """Whether a term of the predicate says the same as a leaf of the condition."""
    return any(
        term.column == leaf.column and term.operator == leaf.operator == "=" and implied((term,), (leaf,))
        for term in plan.predicate
    )
