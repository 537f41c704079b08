"""``pgvec search``: the nearest rows of a table."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import sqlalchemy as sa
import typer

from pgvec import Groups, Matches
from pgvec.cli.database import open_database
from pgvec.cli.options import Column, Distance, Json, Schema, TableName, Url, Where, filter_in, names_in
from pgvec.cli.output import print_json
from pgvec.cli.results import as_plain, note_left_out, print_matches
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
from pgvec.cli.shaping_options import (
    Candidates,
    Facets,
    GroupBy,
    OrderBy,
    PerGroup,
    facets_in,
    groups_as_json,
    print_facets,
    print_groups,
    shaping_in,
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
    keyword: Annotated[
        bool, typer.Option("--keyword", help="Look for the words of the text, by a keyword index (BM25).")
    ] = False,
    hybrid: Annotated[bool, typer.Option("--hybrid", help="Look for the words and by vectors, and fuse both.")] = False,
    order_by: OrderBy = None,
    candidates: Candidates = None,
    facet: Facets = None,
    group_by: GroupBy = None,
    per_group: PerGroup = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show the rows of a table that are nearest to a text or a vector, and how they were found."""
    mode = _mode(keyword=keyword, hybrid=hybrid)
    query = _query(text, vector, mode)
    options = _options(mode, exact=exact, max_distance=max_distance, ef_search=ef_search)
    options |= _diverse(mode, diversity)
    names = names_in(columns, "--columns")
    condition = filter_in(where)
    with open_database(url) as engine:
        reflected = reflect_table(engine, table, schema=schema)
        shaping = shaping_in(
            mode,
            group_by=group_by,
            per_group=per_group,
            order_by=order_by,
            candidates=candidates,
            facets=facets_in(reflected, facet),
        )
        shown, found = search_table(
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
            **shaping,
        )
    if as_json:
        print_json(_as_json(shown, found))
    elif isinstance(found, Groups):
        note_left_out(print_groups(shown, found))
    else:
        left_out = print_matches(shown, found)
        print_facets(found.total or 0, found.facets)
        note_left_out(left_out)


def _as_json(shown: tuple[str, ...], found: Matches[Any] | Groups[Any]) -> dict[str, Any]:
    if isinstance(found, Groups):
        return groups_as_json(found, lambda match: as_plain(shown, match))
    facets = {
        name: {"values": [{"value": value, "rows": rows} for value, rows in facet], "other": facet.other}
        for name, facet in found.facets.items()
    }
    counted = {} if found.total is None else {"total": found.total, "facets": facets}
    return {"matches": [as_plain(shown, match) for match in found], **counted, "receipt": found.receipt}


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
) -> tuple[tuple[str, ...], Matches[Any] | Groups[Any]]:
    """Search a table, and return the names of the columns that were read with the matches, or with groups of them.

    Args:
        engine: An engine on the database.
        table: The table.
        query: A vector, or a text for the default embedder.
        mode: Which search: by vectors, by words, or by both.
        text: The words, for the latter two.
        column: The vector column, where the table has several.
        distance: The distance, where no index tells.
        columns: Names of the columns to read; all but the vectors by default.
        **options: As for :meth:`pgvec.Repository.search`, or for ``search_groups`` where ``group_by`` is among them.
    """
    embedded = query if mode != "keyword" else None
    found = searchable(engine, table, embedded, column=column, distance=distance, columns=columns)
    names, repository = found.columns, found.repository
    if "group_by" in options:
        return names, repository.search_groups(query, columns=names, **options)
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


def _diverse(mode: Mode, diversity: float | None) -> dict[str, Any]:
    """The option of a diverse search, which is one by vectors."""
    if diversity is None:
        return {}
    if mode != "search":
        raise InvalidOptionError(f"--diversity does not belong to --{mode}")
    return {"diversity": diversity}


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
