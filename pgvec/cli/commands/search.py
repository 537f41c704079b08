"""``pgvec search``: the nearest rows of a table."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pgvec import Matches
from pgvec.cli.database import open_database
from pgvec.cli.options import Column, Distance, Json, Schema, TableName, Url, names_in
from pgvec.cli.output import note, print_json
from pgvec.cli.results import print_matches
from pgvec.cli.search_options import (
    Columns,
    EfSearch,
    Exact,
    Limit,
    MaxDistance,
    Text,
    Vector,
    Where,
    condition_in,
    query_in,
    searchable,
)
from pgvec.execution.reflection import reflect_table

__all__ = ["search", "search_table"]


def search(
    text: Text = None,
    *,
    table: TableName,
    schema: Schema = None,
    column: Column = None,
    distance: Distance = None,
    vector: Vector = None,
    where: Where = None,
    limit: Limit = 10,
    columns: Columns = None,
    exact: Exact = False,
    max_distance: MaxDistance = None,
    ef_search: EfSearch = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show the rows of a table that are nearest to a text or a vector, and how they were found."""
    query = query_in(text, vector)
    names = names_in(columns, "--columns")
    condition = condition_in(where)
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
    found = searchable(engine, table, query, column=column, distance=distance, columns=columns)
    return found.columns, found.repository.search(query, columns=found.columns, **options)
