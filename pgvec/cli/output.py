"""Everything that commands print: tables for people, JSON for programs, notes on stderr."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from typing import Any

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["cell", "note", "print_json", "print_table", "print_text", "stderr_console", "stdout_console", "visible"]

_WIDTH_OF_FILES = 120
_LONGEST_CELL = 120
# Control characters move the cursor or speak to the terminal; marks of direction make a text look like another.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def stdout_console() -> Console:
    """Return the console for results. Data never pass through rich's markup."""
    return _console(stderr=False)


def stderr_console() -> Console:
    """Return the console for notes and progress."""
    return _console(stderr=True)


def visible(text: str) -> str:
    """Return a text whose unprintable characters are written out, so that data cannot speak to the terminal."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def cell(value: object) -> str:
    """Return a value as one short line."""
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        return f"{float(value):.4f}"
    text = value if isinstance(value, str) else json.dumps(value, default=_plain) if _is_nested(value) else str(value)
    line = visible(" ".join(text.split()))
    return line if len(line) <= _LONGEST_CELL else line[: _LONGEST_CELL - 3] + "..."


def print_table(names: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print rows as a table; numbers stand to the right."""
    listed = [list(row) for row in rows]
    table = Table(box=SIMPLE_HEAD, title=None if title is None else Text(visible(title)), title_justify="left")
    for at, name in enumerate(names):
        numeric = bool(listed) and all(isinstance(row[at], int | float) for row in listed)
        table.add_column(Text(visible(name)), justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for row in listed:
        table.add_row(*(Text(cell(value)) for value in row))
    stdout_console().print(table)


def print_text(text: str) -> None:
    """Print a line to stdout as it is, however wide the terminal."""
    typer.echo(text)


def print_json(value: object) -> None:
    """Print a value as JSON; dataclasses become objects, arrays lists, NaN null."""
    typer.echo(json.dumps(_plain_tree(value), indent=2))


def note(text: str) -> None:
    """Print a line for people to stderr, where it stays out of pipes."""
    stderr_console().print(Text(visible(text)))


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    to_file = not stream.isatty() and "COLUMNS" not in os.environ
    width = _WIDTH_OF_FILES if to_file else None
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)


def _is_nested(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple | np.ndarray)


def _plain_tree(value: Any) -> Any:
    """Return a value in types that JSON has."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain_tree(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain_tree(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain_tree(part) for part in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return _plain_tree(value.tolist())
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    return str(value)
