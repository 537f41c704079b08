"""What a run beside the peers says, as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.filters.oracle import CellResult, StrategyResult
from benchmarks.report import table

__all__ = ["Loaded", "markdown", "ratios_to", "write"]

_RIVAL = "qdrant"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What an engine needed for the data.

    Attributes:
        data: Name of the data.
        engine: Name of the engine.
        seconds: From the first row to the last index.
        bytes: On disk, indexes included.
    """

    data: str
    engine: str
    seconds: float
    bytes: int


def ratios_to(cell: CellResult, rival: str = _RIVAL) -> dict[str, float]:
    """Return the median latency of pgvec, before and after advice, over that of an engine; what was not measured is left out.

    An engine that can search in several ways, whose names begin alike, counts with the fastest of those that found most: of
    ways whose recall is within 0.01 of the best.
    """
    ways = {name: result for name, result in cell.strategies.items() if name.startswith(rival)}
    if not ways:
        return {}
    best = max(result.recall for result in ways.values())
    fastest = min(result.p50_ms for result in ways.values() if result.recall >= best - 0.01)
    named = {"before": "pgvec", "after": "pgvec_advised"}
    return {when: cell.strategies[name].p50_ms / fastest for when, name in named.items() if name in cell.strategies}


def write(
    folder: Path, name: str, cells: Sequence[CellResult], loads: Sequence[Loaded], about: Mapping[str, Any]
) -> None:
    """Write ``<name>.json`` and ``<name>.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "pgvec_over_qdrant": {cell.title: ratios_to(cell) for cell in cells},
        "loads": [asdict(loaded) for loaded in loads],
        "cells": [{**cell.as_json(), "pgvec_over_qdrant": ratios_to(cell)} for cell in cells],
        **about,
    }
    (folder / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
    (folder / f"{name}.md").write_text(markdown(cells, loads, about))


def markdown(cells: Sequence[CellResult], loads: Sequence[Loaded], about: Mapping[str, Any]) -> str:
    """Return the tables: ratios by cell, every engine by cell, and what loading took."""
    engines = list(dict.fromkeys(name for cell in cells for name in cell.strategies))
    packages = ", ".join(f"{name} {version}" for name, version in about["peers"].items())
    head = f"# pgvec beside other engines\n\n{packages}; PostgreSQL {about['versions']['postgresql']}, pgvector "
    parts = [
        f"{head}{about['versions']['pgvector']}. {about['measured_at']}.\n",
        "Each engine: p50 / p95 ms, recall@10, answers that are short. `~`: so much slower than others that it was asked little.\n",
        table(("cell", *engines, "pgvec / qdrant", "after advice"), (_row(cell, engines) for cell in cells)),
        table(
            ("data", "engine", "load and index, s", "on disk, MB"),
            ((of.data, of.engine, f"{of.seconds:.1f}", f"{of.bytes / 1e6:.0f}") for of in loads),
        ),
    ]
    return "\n".join(parts)


def _row(cell: CellResult, engines: Iterable[str]) -> Iterable[str]:
    yield cell.title
    for name in engines:
        yield _shown(cell.strategies[name]) if name in cell.strategies else ""
    ratios = ratios_to(cell)
    for when in ("before", "after"):
        yield f"{ratios[when]:.2f}" if when in ratios else ""


def _shown(result: StrategyResult) -> str:
    mark = "" if result.full else "~"
    short = f", {result.answers_short} short" if result.answers_short else ""
    return f"{mark}{result.p50_ms:.2f} / {result.p95_ms:.2f}, {result.recall:.3f}{short}"
