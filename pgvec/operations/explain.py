"""The recipe of an explanation: plans a search as the search itself does, and asks Postgres for its own plan."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pgvec.model import Explanation, Target, VectorIndex
from pgvec.operations.search import Question, planned
from pgvec.statements.plan import Form, SearchPlan
from pgvec.statements.requests import Explain, Find, Request, Survey

__all__ = ["explain"]

_DESCRIPTIONS = {
    Form.EXACT: "compares every row that passes the filter",
    Form.INDEX: "asks the vector index; where that comes back short, the same statement compares every row that passes the filter",
    Form.COUNTED: "compares the rows that pass the filter as long as they are no more than the cap; beyond it asks the vector "
    "index, and compares after all where that comes back short",
}


def explain(target: Target, question: Question, *, analyze: bool) -> Generator[Request, Any, Explanation]:
    """Tell how a search would be answered, and why.

    Args:
        target: What to search.
        question: The search.
        analyze: Whether to run it, so that the plan tells what happened.
    """
    find, _ = yield from planned(target, question)
    facts, _ = yield Survey(target)
    sql, plan = yield Explain(find, analyze)
    return _explanation(find, None if facts is None else facts.rows, sql, plan, analyze)


def _explanation(find: Find, rows: float | None, sql: str, plan: dict[str, Any], analyzed: bool) -> Explanation:
    target, chosen = find.target, find.plan
    asks = chosen.form is not Form.EXACT
    return Explanation(
        target=f"{target.name}.{target.column.name} by {target.distance} distance",
        requested=find.shape.limit if find.shaping is None else find.shaping.limit,
        strategy=_strategy(chosen),
        description=_DESCRIPTIONS[chosen.form],
        reasons=chosen.reasons,
        warnings=chosen.warnings,
        rows=None if rows is None else round(rows),
        matching=None if chosen.matching is None else (round(chosen.matching[0]), round(chosen.matching[1])),
        index=_index(chosen.index) if asks and chosen.index is not None else None,
        cap=chosen.cap,
        ef_search=chosen.ef_search if asks else None,
        budget=chosen.budget if asks else None,
        candidates=find.shape.wanted * chosen.oversampling if asks and not chosen.holds_whole_vectors else None,
        sql=sql,
        plan=plan,
        analyzed=analyzed,
    )


def _strategy(plan: SearchPlan) -> str:
    if not plan.predicate or plan.form is Form.EXACT:
        return plan.form.value
    return "partial_index" if plan.form is Form.INDEX else "counted_partial_index"


def _index(index: VectorIndex) -> str:
    parts = [index.method.value]
    if index.quantization is not None:
        parts.append(f"of {index.quantization}")
    if index.dimensions is not None:
        parts.append(f"of the first {index.dimensions:,} dimensions")
    if index.partial:
        parts.append("partial")
    return f"{index.name or 'without a name yet'} ({', '.join(parts)})"
