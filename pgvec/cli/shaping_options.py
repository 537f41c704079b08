"""What ``pgvec search`` takes to order, group and count, and how that is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from pgvec import Facet, Groups
from pgvec.cli.options import check_text, names_in
from pgvec.cli.output import print_table, print_text
from pgvec.cli.results import print_receipt, room_for
from pgvec.errors import InvalidOptionError
from pgvec.facets import histogram

__all__ = [
    "Candidates",
    "Facets",
    "GroupBy",
    "OrderBy",
    "PerGroup",
    "facets_in",
    "groups_as_json",
    "print_facets",
    "print_groups",
    "shaping_in",
]


def _check_texts(ctx: typer.Context, param: Any, values: list[str] | None) -> list[str] | None:
    for value in values or ():
        check_text(ctx, param, value)
    return values


GroupBy = Annotated[
    str | None,
    typer.Option(
        callback=check_text,
        metavar="NAMES",
        help="Show the nearest groups of rows with the same values of these columns.",
    ),
]
PerGroup = Annotated[int | None, typer.Option(help="Most rows to show of each group. [default: 2]")]
OrderBy = Annotated[
    str | None,
    typer.Option(
        callback=check_text,
        metavar="NAMES",
        help="Show what is found in the order of these columns; -NAME is descending.",
    ),
]
Candidates = Annotated[
    int | None,
    typer.Option(
        help="How many of the nearest --order-by, --diversity and --group-by choose from; with --hybrid, of both lists."
    ),
]
Facets = Annotated[
    list[str] | None,
    typer.Option(
        "--facet",
        callback=_check_texts,
        metavar="NAME[:WIDTH]",
        help="Count all rows that match by a column, or by bars: price:10, published:'1 month'. May be repeated.",
    ),
]


def shaping_in(
    mode: str, *, group_by: str | None, per_group: int | None, order_by: str | None, candidates: int | None, facets: Any
) -> dict[str, Any]:
    """Return the options of these that were given; those that do not go together are refused."""
    if group_by is None:
        if per_group is not None:
            raise InvalidOptionError("--per-group belongs to --group-by")
        given = {"order_by": names_in(order_by, "--order-by"), "candidates": candidates, "facets": facets}
        return {name: value for name, value in given.items() if value is not None}
    if mode != "search":
        raise InvalidOptionError(f"--group-by does not belong to --{mode}: it groups the nearest rows")
    if order_by is not None or facets is not None:
        raise InvalidOptionError("--group-by goes neither with --order-by nor with --facet")
    grouped: dict[str, Any] = {"group_by": names_in(group_by, "--group-by"), "candidates": candidates}
    return grouped | {"per_group": 2 if per_group is None else per_group}


def facets_in(table: sa.Table, given: Sequence[str] | None) -> tuple[Any, ...] | None:
    """Return what ``--facet`` asks for: columns, or histograms of them."""
    return tuple(_facet(table, text) for text in given) if given else None


def print_facets(total: int, facets: Mapping[str, Facet]) -> None:
    """Print what was counted, a table for each."""
    if facets:
        print_text(f"of all {total:,} rows that match:")
    for name, facet in facets.items():
        rows = [("(none)" if value is None else value, count) for value, count in facet]
        rows += [("(other)", facet.other)] if facet.other else []
        print_table((name, "rows"), rows)


def print_groups(names: Sequence[str], groups: Groups[Any]) -> tuple[str, ...]:
    """Print groups whose records are rows, with the receipt, and return the columns for which there was no room."""
    if not groups:
        print_receipt(groups.receipt)
        return ()
    keys = groups[0].key._fields
    room = max(1, room_for() - len(keys))
    rows = [(*group.key, match.distance, *match.record[:room]) for group in groups for match in group.matches]
    print_table((*keys, "distance", *names[:room]), rows)
    print_receipt(groups.receipt, of="groups")
    return tuple(names[room:])


def groups_as_json(groups: Groups[Any], describe: Any) -> dict[str, Any]:
    """Return groups for ``--json``."""
    return {
        "groups": [
            {
                "rank": group.rank,
                "key": group.key._asdict(),
                "matches": [describe(match) for match in group.matches],
            }
            for group in groups
        ],
        "receipt": groups.receipt,
    }


def _facet(table: sa.Table, text: str) -> Any:
    name, colon, width = text.rpartition(":")
    if not colon or text in table.c:
        return text
    try:
        return histogram(name, width=Decimal(width))
    except InvalidOperation:
        return histogram(name, every=width)
