"""``pgvec search``: the nearest rows of a table."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import sqlalchemy as sa
import typer

from pgvec import Matches
from pgvec.cli.database import open_database
from pgvec.cli.options import Column, Distance, Json, Schema, TableName, Url, Where, filter_in, names_in
from pgvec.cli.results import show_matches
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
    vector_in,
)
from pgvec.errors import InvalidOptionError
from pgvec.execution.reflection import reflect_table

__all__ = ["search", "search_table"]

Mode: TypeAlias = Literal["search", "keyword", "hybrid"]


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
    diversity: Annotated[
        float | None, typer.Option(help="How much a row shall differ from those before it, from 0 to 1.")
    ] = None,
    candidates: Annotated[int | None, typer.Option(help="How many of the nearest --diversity chooses from.")] = None,
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
    options |= _diverse(mode, diversity=diversity, candidates=candidates)
    names = names_in(columns, "--columns")
    condition = filter_in(where)
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
    show_matches(shown, matches, as_json=as_json)


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
    embedded = query if mode != "keyword" else None
    found = searchable(engine, table, embedded, column=column, distance=distance, columns=columns)
    names, repository = found.columns, found.repository
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


def _diverse(mode: Mode, *, diversity: float | None, candidates: int | None) -> dict[str, Any]:
    """The options of a diverse search, which are those of a search by vectors."""
    if mode == "search":
        return {"diversity": diversity, "candidates": candidates}
    if diversity is not None or candidates is not None:
        raise InvalidOptionError(f"--diversity and --candidates do not belong to --{mode}")
    return {}


def _query(text: str | None, vector: str | None, mode: Mode) -> object:
    if mode == "search":
        return query_in(text, vector)
    if text is None:
        raise InvalidOptionError(f"--{mode} looks for words: give a text")
    if vector is None:
        return text
    if mode == "keyword":
        raise InvalidOptionError(
            "--vector does not belong to --keyword, which compares no vectors: give --hybrid for both"
        )
    return vector_in(vector)
