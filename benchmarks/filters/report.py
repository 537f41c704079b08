"""The result of a run, as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.filters.oracle import CellResult, StrategyResult, grid_keys
from benchmarks.report import table

__all__ = ["GOALS", "keys_of", "markdown", "write"]

# What is to be reached, as text for the reader and as the largest or smallest value.
GOALS: dict[str, tuple[str, str, float]] = {
    "rows_short": ("rows that are missing in pgvec's answers, over all cells", "<=", 0),
    "min_recall": ("smallest recall@10 of pgvec in any cell", ">=", 0.95),
    "cells_over_limit": ("cells in which pgvec's p95 is above max(1.5 x oracle, oracle + 0.6 ms)", "<=", 0),
    "mean_ratio": ("mean over the grid of pgvec's p95 / max(oracle's p95, 0.6 ms)", "<=", 1.3),
    "false_claims": ("answers that claim to be complete and are not", "<=", 0),
    "unfiltered_over_baseline": ("statement without a filter, over benchmarks/baseline.sql", "<=", 1.05),
    "half_over_plain": ("statement with a filter that passes 50 %, over the plain index scan", "<=", 1.15),
}


def keys_of(cells: Sequence[CellResult], overhead: Mapping[str, float]) -> dict[str, Any]:
    """Return the figures of the run, by their names in the JSON."""
    keys = {**grid_keys(cells), **overhead}
    speedups = {
        cell.title: cell.strategies["pgvec"].p50_ms / cell.strategies["pgvec_advised"].p50_ms
        for cell in cells
        if "pgvec_advised" in cell.strategies
    }
    return keys if not speedups else {**keys, "advice_speedup": speedups}


def write(
    folder: Path, name: str, cells: Sequence[CellResult], overhead: Mapping[str, float], about: Mapping[str, Any]
) -> None:
    """Write ``<name>.json`` and ``<name>.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {**keys_of(cells, overhead), "cells": [cell.as_json() for cell in cells], **about}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
    (folder / f"{name}.md").write_text(markdown(cells, overhead, about))


def markdown(
    cells: Sequence[CellResult], overhead: Mapping[str, float], about: Mapping[str, Any], *, details: bool = True
) -> str:
    """Return the tables: the goals, one line for each cell and, as details, one for each strategy of each cell."""
    keys = keys_of(cells, overhead)
    goals = (
        (f"`{key}`", text, f"{keys[key]:.3g}", f"{sign} {limit:g}", _verdict(keys[key], sign, limit))
        for key, (text, sign, limit) in GOALS.items()
        if key in keys
    )
    parts = [
        f"# Filtered search, cell by cell\n\n{_summary(about)}\n",
        table(("key", "what", "value", "goal", "reached"), goals),
        table(
            ("cell", "rows that pass", "oracle", "p95 ms", "pgvec p95 ms", "ratio", "by p50", "recall@10", "by"),
            _overview(cells),
        ),
    ]
    if "advice_speedup" in keys:
        rows = ((title, f"{speedup:.2f}") for title, speedup in keys["advice_speedup"].items())
        parts.append(table(("cell", "faster by advice, times (p50)"), rows))
    if details:
        head = ("cell", "strategy", "p50 ms", "p95 ms", "recall@10", "answers short", "rows short", "queries")
        parts.append(table(head, (row for cell in cells for row in _details(cell))))
    return "\n".join(parts)


def _verdict(value: float, sign: str, limit: float) -> str:
    reached = value <= limit if sign == "<=" else value >= limit
    return "yes" if reached else "**no**"


def _overview(cells: Sequence[CellResult]) -> Iterable[tuple[str, ...]]:
    for cell in cells:
        best, pgvec = cell.oracle, cell.strategies.get("pgvec")
        ratio, median_ratio = cell.ratio(), cell.median_ratio()
        if pgvec is None:
            continue
        yield (
            cell.title,
            f"{cell.matching:,.0f}",
            best or "none",
            "" if best is None else f"{cell.strategies[best].p95_ms:.2f}",
            f"{pgvec.p95_ms:.2f}",
            "" if ratio is None else f"**{ratio:.2f}**" if cell.over_limit() else f"{ratio:.2f}",
            "" if median_ratio is None else f"{median_ratio:.2f}",
            f"{pgvec.recall:.3f}",
            _by(pgvec),
        )


def _by(result: StrategyResult) -> str:
    ordered = sorted(result.receipts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count}" if len(ordered) > 1 else name for name, count in ordered)


def _details(cell: CellResult) -> Iterable[tuple[str, ...]]:
    for name, result in cell.strategies.items():
        yield (
            cell.title,
            f"**{name}**" if name == cell.oracle else name,
            f"{result.p50_ms:.2f}",
            f"{result.p95_ms:.2f}",
            f"{result.recall:.3f}",
            str(result.answers_short),
            str(result.rows_short),
            f"{result.rounds} x {result.queries}",
        )


def _summary(about: Mapping[str, Any]) -> str:
    versions, machine = about["versions"], about["machine"]
    packages = versions["packages"]
    data = "; ".join(f"{of['name']}: {of['rows']:,} x {of['dimensions']}, {of['distance']}" for of in about["data"])
    effort = about["effort"]
    clock = "Time of the CPU, not on the wall. " if effort["cpu"] else ""
    return (
        f"{data}. {effort['queries']} queries in {effort['rounds']} shuffled rounds. {clock}PostgreSQL {versions['postgresql']}, "
        f"pgvector {versions['pgvector']}, {versions['python']}, SQLAlchemy {packages['sqlalchemy']}, psycopg "
        f"{packages['psycopg']}; {machine['cpus']} CPUs. {about['measured_at']}."
    )
