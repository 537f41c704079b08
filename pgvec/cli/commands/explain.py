"""``pgvec explain``: how a search would be answered, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from pgvec.cli.database import open_database
from pgvec.cli.options import Column, Distance, Json, Schema, TableName, Url, Where, filter_in, names_in
from pgvec.cli.output import print_json, print_text, visible
from pgvec.cli.search_options import (
    Columns,
    EfSearch,
    Exact,
    Limit,
    MaxDistance,
    Text,
    Vector,
    query_in,
    searchable,
)
from pgvec.execution.reflection import reflect_table

__all__ = ["explain"]


def explain(
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
    analyze: Annotated[
        bool, typer.Option("--analyze", help="Run the search, so that the plan tells what happened.")
    ] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show how a search would be answered and why, with the SQL and the plan of Postgres."""
    query, names, condition = query_in(text, vector), names_in(columns, "--columns"), filter_in(where)
    with open_database(url) as engine:
        reflected = reflect_table(engine, table, schema=schema)
        found = searchable(engine, reflected, query, column=column, distance=distance, columns=names)
        explanation = found.repository.explain(
            query,
            columns=found.columns,
            where=condition,
            limit=limit,
            exact=exact,
            max_distance=max_distance,
            ef_search=ef_search,
            analyze=analyze,
        )
    if as_json:
        print_json(explanation.to_dict())
        return
    for line in str(explanation).splitlines():
        print_text(visible(line))
