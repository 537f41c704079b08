"""Progress bars on terminals; elsewhere now and then a plain line, because bars are noise in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeAlias

from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from pgvec.cli.output import note, stderr_console
from pgvec.model import LoadProgress, MeasureProgress, MeasureProgressCallback, ProgressCallback

__all__ = ["Advance", "bar", "load_bar", "measure_bar", "waiting"]

Advance: TypeAlias = Callable[[int, int | None], None]
"""Takes how many units are done, and how many there are in all."""

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def bar(label: str, *, unit: str = "rows", total: int | None = None) -> Iterator[Advance]:
    """Show how far something is: units done, rate, time remaining."""
    console = stderr_console()
    if not console.is_terminal:
        yield _Lines(label, unit).advance
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        _Counts(unit),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(label, total=total)

        def advance(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


@contextmanager
def load_bar(label: str) -> Iterator[ProgressCallback]:
    """Show how far a bulk load is."""
    with bar(label) as advance:

        def report(progress: LoadProgress) -> None:
            advance(progress.rows, progress.total)

        yield report


@contextmanager
def measure_bar() -> Iterator[MeasureProgressCallback]:
    """Show how far a measurement is, and at what."""
    with bar("measuring", unit="searches") as advance:

        def report(progress: MeasureProgress) -> None:
            advance(progress.searches, progress.total)

        yield report


@contextmanager
def waiting(label: str) -> Iterator[None]:
    """Show that something of unknown length goes on."""
    console = stderr_console()
    if not console.is_terminal:
        note(f"{label} ...")
        yield
        return
    with console.status(Text(label)):
        yield


class _Counts(ProgressColumn):
    """Units done, in all, and per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Write the numbers of one task."""
        return Text(
            _numbers(int(task.completed), None if task.total is None else int(task.total), self._unit, task.speed)
        )


class _Lines:
    """Writes a line every ten seconds."""

    def __init__(self, label: str, unit: str) -> None:
        self._label = label
        self._unit = unit
        self._began = self._written = time.monotonic()

    def advance(self, done: int, total: int | None) -> None:
        """Take note of the progress."""
        now = time.monotonic()
        if now - self._written < _SECONDS_BETWEEN_LINES:
            return
        self._written = now
        rate = done / (now - self._began)
        rest = (
            f", {timedelta(seconds=round((total - done) / rate))} remaining" if total and rate and total > done else ""
        )
        note(f"{self._label}: {_numbers(done, total, self._unit, rate)}{rest}")


def _numbers(done: int, total: int | None, unit: str, rate: float | None) -> str:
    of_all = "" if total is None else f" of {total:,}"
    return f"{done:,}{of_all} {unit}" + (f", {rate:,.0f}/s" if rate else "")
