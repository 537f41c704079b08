"""The picture: how far pgvec is from the best in each cell, and what each strategy finds there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.filters.grid import CORRELATIONS, SELECTIVITIES
from benchmarks.filters.oracle import CellResult

__all__ = ["draw"]

_Colors: TypeAlias = tuple[str, Normalize]

_RATIOS: _Colors = ("RdYlGn_r", LogNorm(0.5, 4))
_RECALLS: _Colors = ("RdYlGn", Normalize(0, 1))


def draw(cells: Sequence[CellResult], path: Path) -> None:
    """Draw the grid of each data without a display, and write it as PNG: one row for each, one column for each strategy."""
    data = list(dict.fromkeys(cell.data for cell in cells if cell.correlation is not None))
    names = list(dict.fromkeys(name for cell in cells for name in cell.strategies))
    if not data:
        return
    mpl.use("Agg")
    figure = Figure(figsize=(3.2 * (len(names) + 1), 3.4 * len(data)), layout="constrained")
    panels = figure.subplots(len(data), len(names) + 1, squeeze=False)
    for row, of in zip(panels, data, strict=True):
        grid = {(cell.correlation, cell.selectivity): cell for cell in cells if cell.data == of}
        _draw_panel(row[0], f"{of}\npgvec p95 / max(oracle, 0.6 ms)", _values(grid, CellResult.ratio), _RATIOS)
        for axes, name in zip(row[1:], names, strict=True):
            _draw_panel(axes, f"{name}\nrecall@10", _values(grid, _recall_of(name)), _RECALLS)
    figure.savefig(path, dpi=110)


def _recall_of(name: str) -> Callable[[CellResult], float | None]:
    return lambda cell: cell.strategies[name].recall if name in cell.strategies else None


def _values(
    grid: dict[tuple[str | None, float], CellResult], value: Callable[[CellResult], float | None]
) -> NDArray[np.float64]:
    """Return the values by selectivity and correlation; NaN where there is none."""
    found = [
        [
            None if (cell := grid.get((correlation, selectivity))) is None else value(cell)
            for correlation in CORRELATIONS
        ]
        for selectivity in SELECTIVITIES
    ]
    return np.array(found, dtype=np.float64)


def _draw_panel(axes: Axes, title: str, values: NDArray[np.float64], colors: _Colors) -> None:
    palette, norm = colors
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8)
    axes.imshow(values, cmap=palette, norm=norm, aspect="auto")
    axes.set_title(title, fontsize=9)
    axes.set_xticks(range(len(CORRELATIONS)), ["anywhere", "near", "far"], fontsize=8)
    axes.set_yticks(range(len(SELECTIVITIES)), [f"{percent:g} %" for percent in SELECTIVITIES], fontsize=8)
