"""``pgvec search``: the nearest rows of a table."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal, TypeAlias

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

Mode: TypeAlias = Literal["search", "keyword", "hybrid"]


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
    keyword: Annotated[
        bool, typer.Option("--keyword", help="Look for the words of the text, by a keyword index (BM25).")
    ] = False,
    hybrid: Annotated[bool, typer.Option("--hybrid", help="Look for the words and by vectors, and fuse both.")] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show the rows of a table that are nearest to a text or a vector, and how they were found."""
    mode = _mode(keyword=keyword, hybrid=hybrid)
    query = _query(text, vector, mode)
    options = _options(mode, exact=exact, max_distance=max_distance, ef_search=ef_search)
    names = names_in(columns, "--columns")
    condition = _condition(where)
    with open_database(url) as engine:
        reflected = reflect_table(engine, table, schema=schema)
        shown, matches = search_table(
            engine,
            reflected,
            query,
            mode=mode,
            text=text,
            column=column,
            distance=distance,
            columns=names,
            where=condition,
            limit=limit,
            **options,
        )
    if as_json:
        print_json(
            {
                "matches": [
                    {
                        "rank": match.rank,
                        "distance": None if math.isnan(match.distance) else match.distance,
                        **({} if match.score is None else {"score": match.score}),
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
    mode: Mode = "search",
    text: str | None = None,
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
        mode: Which search: by vectors, by words, or by both.
        text: The words, for the latter two.
        column: The vector column, where the table has several.
        distance: The distance, where no index tells.
        columns: Names of the columns to read; all but the vectors by default.
        **options: As for :meth:`pgvec.Repository.search`.
    """
    target = Repository[Any](engine, table, column=column, distance=distance).target
    embedder = embedder_for(target.column) if isinstance(query, str) and mode != "keyword" else None
    repository = Repository[Any](engine, table, column=column, distance=distance, embedder=embedder)
    names = columns or tuple(found.key for found in table.c if found.key not in target.embeddings)
    if mode == "search":
        return names, repository.search(query, columns=names, **options)
    assert text is not None
    if mode == "keyword":
        return names, repository.keyword_search(text, columns=names, **options)
    vector = None if isinstance(query, str) else query
    return names, repository.hybrid_search(text, vector=vector, columns=names, **options)


def _mode(*, keyword: bool, hybrid: bool) -> Mode:
    if keyword and hybrid:
        raise InvalidOptionError("give either --keyword or --hybrid, and not both")
    return "keyword" if keyword else "hybrid" if hybrid else "search"


def _options(mode: Mode, *, exact: bool, max_distance: float | None, ef_search: int | None) -> dict[str, Any]:
    """The options of the vector part; those that another search does not have are refused."""
    if max_distance is not None and mode != "search":
        raise InvalidOptionError(f"--max-distance does not belong to --{mode}, which orders by a score")
    if mode == "keyword":
        if exact or ef_search is not None:
            raise InvalidOptionError("--exact and --ef-search do not belong to --keyword, which compares no vectors")
        return {}
    options: dict[str, Any] = {"exact": exact, "ef_search": ef_search}
    return options if mode == "hybrid" else {**options, "max_distance": max_distance}


def _query(text: str | None, vector: str | None, mode: Mode) -> object:
    if mode != "search" and text is None:
        raise InvalidOptionError(f"--{mode} looks for words: give a text")
    if mode == "keyword" and vector is not None:
        raise InvalidOptionError(
            "--vector does not belong to --keyword, which compares no vectors: give --hybrid for both"
        )
    if mode == "search" and (text is None) == (vector is None):
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
