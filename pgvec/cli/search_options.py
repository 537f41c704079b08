"""What ``pgvec search`` and the commands that are about a search take."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from pgvec import Repository
from pgvec.cli.options import check_text
from pgvec.cli.tables import embedder_for
from pgvec.errors import InvalidOptionError

__all__ = [
    "Columns",
    "EfSearch",
    "Exact",
    "Limit",
    "MaxDistance",
    "Searchable",
    "Text",
    "Vector",
    "query_in",
    "searchable",
    "vector_in",
]

Text = Annotated[
    str | None, typer.Argument(callback=check_text, help="What to look for; embedded by the default model.")
]
Vector = Annotated[
    str | None, typer.Option(callback=check_text, metavar="'[...]'", help="Look for this vector instead of a text.")
]
Limit = Annotated[int, typer.Option(help="Most rows to show.")]
Columns = Annotated[
    str | None,
    typer.Option(
        callback=check_text,
        metavar="NAMES",
        help="Columns to show, separated by commas. [default: all but vectors]",
    ),
]
Exact = Annotated[bool, typer.Option("--exact", help="Compare every row instead of asking the index.")]
MaxDistance = Annotated[float | None, typer.Option(help="Leave out what is farther away.")]
EfSearch = Annotated[int | None, typer.Option(help="hnsw.ef_search for this search.")]


@dataclass(frozen=True, slots=True)
class Searchable:
    """A repository on a table, and the names of the columns to read."""

    repository: Repository[Any]
    columns: tuple[str, ...]


def searchable(
    engine: sa.Engine,
    table: sa.Table,
    query: object,
    *,
    column: str | None = None,
    distance: str | None = None,
    columns: tuple[str, ...] | None = None,
) -> Searchable:
    """Return what can answer a query on a table.

    Args:
        engine: An engine on the database.
        table: The table.
        query: A vector, or a text for the default embedder.
        column: The vector column, where the table has several.
        distance: The distance, where no index tells.
        columns: Names of the columns to read; all but the vectors by default.
    """
    target = Repository[Any](engine, table, column=column, distance=distance).target
    embedder = embedder_for(target.column) if isinstance(query, str) else None
    repository = Repository[Any](engine, table, column=column, distance=distance, embedder=embedder)
    names = columns or tuple(found.key for found in table.c if found.key not in target.embeddings)
    return Searchable(repository, names)


def query_in(text: str | None, vector: str | None) -> object:
    """Return the query: the text, or the vector that ``--vector`` holds."""
    if (text is None) == (vector is None):
        raise InvalidOptionError("give either a text or --vector, and not both")
    return text if vector is None else vector_in(vector)


def vector_in(vector: str) -> object:
    """Return the vector that ``--vector`` holds."""
    try:
        found = json.loads(vector)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise InvalidOptionError(f"--vector is a list of numbers such as [0.1, 0.2], not {vector:.60}")
    return found
