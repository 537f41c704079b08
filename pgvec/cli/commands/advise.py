"""``pgvec advise``: what would make the searches of a table faster, as SQL to review."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pgvec import Repository
from pgvec.cli.database import open_database
from pgvec.cli.options import Column, Distance, Json, Schema, TableName, Url, check_text
from pgvec.cli.output import print_json, print_text, visible
from pgvec.errors import InvalidOptionError
from pgvec.execution.reflection import reflect_table
from pgvec.model import Advice

__all__ = ["advise"]


def _check_texts(ctx: typer.Context, param: Any, values: list[str] | None) -> list[str] | None:
    for value in values or ():
        check_text(ctx, param, value)
    return values


def advise(
    *,
    table: TableName,
    schema: Schema = None,
    column: Column = None,
    distance: Distance = None,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            callback=_check_texts,
            metavar="COLUMNS",
            help="Columns that are filtered together, 'label, price' or 'label = AND price <'; give it once for each filter.",
        ),
    ] = None,
    as_sql: Annotated[bool, typer.Option("--sql", help="Print the SQL alone, for psql.")] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Propose indexes, storage and settings from the statistics of a table and the filters on it. Nothing is changed."""
    if as_sql and as_json:
        raise InvalidOptionError("give either --sql or --json, and not both")
    with open_database(url) as engine:
        reflected = reflect_table(engine, table, schema=schema)
        repository = Repository[Any](engine, reflected, column=column, distance=distance)
        proposals = repository.advise(filters=filters or ())
    if as_json:
        print_json(proposals)
    elif as_sql:
        for advice in proposals:
            _print_sql(advice)
    else:
        _print_for_people(proposals)


def _print_for_people(proposals: tuple[Advice, ...]) -> None:
    if not proposals:
        print_text("no advice: nothing is known that would make the searches of this table faster")
    for number, advice in enumerate(proposals, start=1):
        size = "" if advice.bytes is None else f" (about {advice.bytes / (1 << 20):,.1f} MB)"
        print_text(visible(f"{number}. {advice.title}{size}"))
        print_text(visible(f"   {advice.reason}."))
        for statement in advice.sql:
            print_text(visible(f"   {statement};"))


def _print_sql(advice: Advice) -> None:
    """Print a title as a comment, and each statement on a line of its own."""
    print_text(visible(f"-- {advice.title}"))
    for statement in advice.sql:
        # Between apostrophes a line break or control character is part of the constant: it stays as it is.
        print_text(f"{statement};")
