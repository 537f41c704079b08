"""Options that several commands have."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from pgvec.cli.errors import remember_debug
from pgvec.errors import InvalidFilterError, InvalidOptionError

__all__ = [
    "Column",
    "Distance",
    "Json",
    "Plot",
    "RecallSample",
    "Schema",
    "TableName",
    "Url",
    "Where",
    "check_text",
    "debuggable",
    "filter_in",
    "names_in",
]


def check_text(ctx: typer.Context, param: Any, value: str | None) -> str | None:
    """Refuse text that no database can hold: an argument of the shell may be any bytes."""
    del ctx
    if value is not None and ("\0" in value or any("\ud800" <= character <= "\udfff" for character in value)):
        raise InvalidOptionError(f"{param.name} holds a NUL character or is not valid text in this terminal's encoding")
    return value


def filter_in(where: str | None) -> object:
    """Return the filter in a JSON text, or None where the option was not given."""
    if where is None:
        return None
    try:
        found = json.loads(where)
    except (ValueError, RecursionError) as exc:
        raise InvalidFilterError(
            f'--where is not JSON: {exc}; a filter is an object such as {{"category": "news"}}'
        ) from exc
    if not isinstance(found, dict):
        raise InvalidFilterError(f'--where is an object such as {{"category": "news"}}, not {where:.60}')
    return found


def names_in(text: str | None, option: str) -> tuple[str, ...] | None:
    """Return the names in a comma-separated list, or None where the option was not given."""
    if text is None:
        return None
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise InvalidOptionError(f"{option} is a list of names separated by commas, not {text!r}")
    return names


Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="PGVEC_URL",
        show_envvar=True,
        callback=check_text,
        metavar="URL",
        help="The database: postgresql://..., postgresql+psycopg://... or host=... dbname=...; without it, the embedded server.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
TableName = Annotated[str, typer.Option("--table", callback=check_text, metavar="NAME", help="The table.")]
Schema = Annotated[
    str | None,
    typer.Option(
        "--schema",
        callback=check_text,
        metavar="NAME",
        help="Its Postgres schema, where the search_path does not show it.",
    ),
]
Column = Annotated[
    str | None,
    typer.Option(
        "--column", callback=check_text, metavar="NAME", help="The vector column, where the table has several."
    ),
]
Distance = Annotated[
    str | None,
    typer.Option(
        "--distance",
        callback=check_text,
        metavar="NAME",
        help="cosine, l2, inner_product, l1, hamming or jaccard, where no vector index tells.",
    ),
]
Where = Annotated[
    str | None,
    typer.Option("--where", callback=check_text, metavar="JSON", help="Only rows that pass this filter."),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        "--plot", metavar="FILE", dir_okay=False, help="Draw recall against latency into this PNG (extra plot)."
    ),
]
RecallSample = Annotated[
    int | None,
    typer.Option("--recall", metavar="ROWS", help="Measure recall@10 with so many stored rows as queries."),
]
_Debug = Annotated[bool, typer.Option("--debug", callback=remember_debug, help="Show the traceback of an error.")]


def debuggable(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option ``--debug``, which the root of the commands heeds."""

    @functools.wraps(function)
    def command(*args: Any, debug: bool = False, **kwargs: Any) -> None:
        del debug
        function(*args, **kwargs)

    signature = inspect.signature(function, eval_str=True)
    option = inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Debug)
    command.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    command.__annotations__ = {name: part.annotation for name, part in signature.parameters.items()} | {"debug": _Debug}
    return command
