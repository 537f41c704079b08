"""The plot: how long searches took, and how the ratios stand to their goals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.measure import Timings
from benchmarks.report import GOALS, Report

__all__ = ["draw"]

_FLOOR, _PGVEC = "#8a8f98", "#1f6feb"


def draw(report: Report, path: Path, title: str) -> None:
    """Draw a report without a display, and write it as PNG."""
    mpl.use("Agg")
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.suptitle(title)
    _draw_latencies(left, report.timings)
    _draw_ratios(right, report.keys)
    figure.savefig(path, dpi=120)


def _draw_latencies(axes: Axes, timings: Mapping[str, Timings]) -> None:
    for name, timing in timings.items():
        milliseconds = np.sort(timing.seconds.ravel()) * 1_000
        share = np.arange(1, len(milliseconds) + 1) / len(milliseconds)
        axes.plot(milliseconds, share, label=name, linestyle="--" if "floor" in name else "-", linewidth=1.2)
    axes.set(xscale="log", xlabel="milliseconds", ylabel="share of searches", title="latency (dashed: by hand)")
    axes.grid(alpha=0.3)
    if timings:
        axes.legend(fontsize=7)


def _draw_ratios(axes: Axes, keys: Mapping[str, float]) -> None:
    ratios = {key: value for key, value in reversed(list(keys.items())) if key.endswith("_ratio")}
    axes.barh(list(ratios), list(ratios.values()), color=_PGVEC, height=0.6)
    axes.axvline(1.0, color=_FLOOR, linestyle="--", linewidth=1)
    for position, key in enumerate(ratios):
        goal = GOALS[key].least or GOALS[key].most
        if goal is not None:
            axes.plot([goal, goal], [position - 0.4, position + 0.4], color="black", linewidth=2)
        axes.annotate(f" {ratios[key]:.2f}", (ratios[key], position), va="center", fontsize=8)
    axes.set(title="pgvec / by hand (black: goal)")
    axes.tick_params(axis="y", labelsize=8)
