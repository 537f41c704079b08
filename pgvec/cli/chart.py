"""Recall against latency: as text for the terminal, and as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pgvec.errors import ConfigurationError, MissingDependencyError
from pgvec.model import RecallPoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_recall", "recall_chart", "require_plotting"]

_WIDTH = 60
_HEIGHT = 12
_LABEL = 7


def recall_chart(points: Sequence[RecallPoint]) -> list[str]:
    """Return lines that show recall (upward) against median latency (to the right, on a logarithmic scale), one mark for each point."""
    marked = [point for point in points if point.p50_ms > 0]
    if not marked:
        return []
    left, right = _bounds([math.log(point.p50_ms) for point in marked])
    low, high = _bounds([point.recall for point in marked])
    rows = [[" "] * _WIDTH for _ in range(_HEIGHT)]
    for point in marked:
        across = round((math.log(point.p50_ms) - left) / (right - left) * (_WIDTH - 1))
        down = round((high - point.recall) / (high - low) * (_HEIGHT - 1))
        rows[down][across] = "*"
    labels = {0: f"{high:.3f}", _HEIGHT - 1: f"{low:.3f}"}
    lines = [f"{labels.get(at, ''):>{_LABEL}} |{''.join(row).rstrip()}" for at, row in enumerate(rows)]
    first, last = f"{math.exp(left):.2f} ms", f"{math.exp(right):.2f} ms"
    lines.append(f"{'':>{_LABEL}} +{'-' * _WIDTH}")
    lines.append(f"{'':>{_LABEL}}  {first}{last:>{_WIDTH - len(first)}}")
    return ["recall against median latency, a mark for each ef_search", *lines]


def require_plotting() -> None:
    """Refuse to begin what cannot be drawn in the end.

    Raises:
        MissingDependencyError: The extra ``plot`` is not installed.
    """
    _figure()


def draw_recall(path: Path, title: str, curves: Mapping[str, Sequence[RecallPoint]]) -> None:
    """Draw recall against median latency into a PNG, a line for each curve, with the interval of each point.

    Raises:
        MissingDependencyError: The extra ``plot`` is not installed.
        ConfigurationError: The file cannot be written.
    """
    figure = _figure()
    axes = figure.subplots()
    for name, points in curves.items():
        milliseconds = [point.p50_ms for point in points]
        recalls = [point.recall for point in points]
        spread = [
            [point.recall - point.low for point in points],
            [point.high - point.recall for point in points],
        ]
        axes.errorbar(
            milliseconds, recalls, yerr=spread, marker="o", markersize=4, capsize=2, linewidth=1.2, label=name
        )
        for point in points:
            axes.annotate(f" {point.ef_search}", (point.p50_ms, point.recall), fontsize=7, va="top")
    axes.set(xscale="log", xlabel="median milliseconds of a search", ylabel="recall", title=title)
    axes.grid(alpha=0.3)
    if len(curves) > 1:
        axes.legend(title="rows that pass", fontsize=8)
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as exc:
        raise ConfigurationError(f"The picture cannot be written to {path}: {exc.strerror}") from exc


def _figure() -> Figure:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an optional package
    except ImportError as exc:
        raise MissingDependencyError.for_extra("plot", "A picture of recall") from exc
    return Figure(figsize=(8, 5), layout="constrained")


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.005, high + 0.005)
