"""``pgvec search``: the nearest rows of a table."""

from __future__ import annotations

import json
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from pgvec import Matches, Repository
from pgvec.cli.database import open_database
from pgvec.cli.options import Column, Distance, Json, Schema, TableName, Url, check_text, names_in
from pgvec.cli.output import note, print_json
from pgvec.cli.results import print_matches
from pgvec.cli.tables import embedder_for
from pgvec.errors import InvalidFilterError, InvalidOptionError
from pgvec.execution.reflection import reflect_table

__all__ = ["search", "search_table"]


def search(
    text: Annotated[
        str | None, typer.Argument(callback=check_text, help="What to look for; embedded by the default model.")
    ] = None,
    *,
    table: TableName,
    schema: Schema = None,
    column: Column = None,
    distance: Distance = None,
    vector: Annotated[
        str | None, typer.Option(callback=check_text, metavar="'[...]'", help="Look for this vector instead of a text.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(callback=check_text, metavar="JSON", help="Only rows that pass this filter.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Most rows to show.")] = 10,
    columns: Annotated[
        str | None,
        typer.Option(
            callback=check_text,
            metavar="NAMES",
            help="Columns to show, separated by commas. [default: all but vectors]",
        ),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Compare every row instead of asking the index.")] = False,
    max_distance: Annotated[float | None, typer.Option(help="Leave out what is farther away.")] = None,
    ef_search: Annotated[int | None, typer.Option(help="hnsw.ef_search for this search.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show the rows of a table that are nearest to a text or a vector, and how they were found."""
    query = _query(text, vector)
    names = names_in(columns, "--columns")
    condition = _condition(where)
    with open_database(url) as engine:
        reflected = reflect_table(engine, table, schema=schema)
        shown, matches = search_table(
            engine,
            reflected,
            query,
            column=column,
            distance=distance,
            columns=names,
            where=condition,
            limit=limit,
            exact=exact,
            max_distance=max_distance,
            ef_search=ef_search,
        )
    if as_json:
        print_json(
            {
                "matches": [
                    {
                        "rank": match.rank,
                        "distance": match.distance,
                        "similarity": match.similarity,
                        "record": dict(zip(shown, match.record, strict=True)),
                    }
                    for match in matches
                ],
                "receipt": matches.receipt,
            }
        )
        return
    left_out = print_matches(shown, matches)
    if left_out:
        note(f"not shown for lack of space: {', '.join(left_out)}  (choose with --columns, or take --json)")


def search_table(
    engine: sa.Engine,
    table: sa.Table,
    query: object,
    *,
    column: str | None = None,
    distance: str | None = None,
    columns: tuple[str, ...] | None = None,
    **options: Any,
) -> tuple[tuple[str, ...], Matches[Any]]:
    """Search a table, and return the names of the columns that were read with the matches.

    Args:
        engine: An engine on the database.
        table: The table.
        query: A vector, or a text for the default embedder.
        column: The vector column, where the table has several.
        distance: The distance, where no index tells.
        columns: Names of the columns to read; all but the vectors by default.
        **options: As for :meth:`pgvec.Repository.search`.
    """
    target = Repository[Any](engine, table, column=column, distance=distance).target
    embedder = embedder_for(target.column) if isinstance(query, str) else None
    repository = Repository[Any](engine, table, column=column, distance=distance, embedder=embedder)
    names = columns or tuple(found.key for found in table.c if found.key not in target.embeddings)
    return names, repository.search(query, columns=names, **options)


def _query(text: str | None, vector: str | None) -> object:
    if (text is None) == (vector is None):
        raise InvalidOptionError("give either a text or --vector, and not both")
    if vector is None:
        return text
    try:
        found = json.loads(vector)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise InvalidOptionError(f"--vector is a list of numbers such as [0.1, 0.2], not {vector:.60}")
    return found


def _condition(where: str | None) -> object:
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
