"""Writes a plan of Postgres as a tree of lines, short enough to be read beside its explanation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["plan_lines"]

_CONDITIONS = ("Index Cond", "Recheck Cond", "Order By", "Filter", "One-Time Filter")
_LONGEST = 160


def plan_lines(plan: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a plan as ``EXPLAIN (FORMAT JSON)`` tells it: a node each, its conditions below it."""
    yield from _node_lines(plan.get("Plan", {}), 0)
    for name in ("Planning Time", "Execution Time"):
        if name in plan:
            yield f"{name.lower()}: {plan[name]:.2f} ms"


def _node_lines(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    if "Subplan Name" in node:
        yield f"{indent}{node['Subplan Name']}:"
        indent += "  "
    yield f"{indent}{_title(node)} ({_rows(node)})"
    for name in _CONDITIONS:
        if name in node:
            yield f"{indent}    {name.lower()}: {_short(str(node[name]))}"
    if node.get("Rows Removed by Filter"):
        yield f"{indent}    rows removed by filter: {node['Rows Removed by Filter']:,}"
    for child in node.get("Plans", ()):
        yield from _node_lines(child, depth + 1)


def _title(node: Mapping[str, Any]) -> str:
    parts = [str(node.get("Node Type", "?"))]
    if "Index Name" in node:
        parts.append(f"by {node['Index Name']}")
    on = node.get("Relation Name") or node.get("CTE Name")
    if on is not None:
        parts.append(f"on {on}")
    return " ".join(parts)


def _rows(node: Mapping[str, Any]) -> str:
    expected = f"expects {_counted(node.get('Plan Rows', 0))}"
    loops = node.get("Actual Loops")
    if loops is None:
        return expected
    if not loops:
        return "never executed"
    found = round(node.get("Actual Rows", 0) * loops)
    time = f", {node['Actual Total Time'] * loops:.2f} ms" if "Actual Total Time" in node else ""
    return f"{expected}, found {found:,}{time}"


def _counted(rows: float) -> str:
    return f"{rows:,.0f} row" + ("" if rows == 1 else "s")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
