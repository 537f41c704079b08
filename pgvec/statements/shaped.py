"""The statement of a search whose candidates are put into another order, or whose matches are counted beside it.

::

    WITH pgvec_searched AS MATERIALIZED (the search itself: keys, distances, scores),
         pgvec_page AS (the candidates, by the expression that the caller gave; limit and offset),
         pgvec_counts AS (facets and the total, of all rows that match)
    SELECT ... FROM (page, with what is shown of a row, FULL JOIN counts ON false) ORDER BY place

The rows of the full join are those of the page and those of the counts, beside each other: each value keeps its type.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array

from pgvec.statements.candidates import Candidates, candidates
from pgvec.statements.facets import counts
from pgvec.statements.keyword import is_row
from pgvec.statements.numbers import NAN, paged, row_count
from pgvec.statements.plan import attributes
from pgvec.statements.requests import Find
from pgvec.statements.shaping import FacetCount, Shaping

__all__ = ["shaped_statement"]


def shaped_statement(find: Find, shaping: Shaping, display: list[Any], schema: str, *, watched: bool) -> sa.Select[Any]:
    """Build the statement of a search that is shaped.

    Args:
        find: What is asked for; its limit is the number of candidates.
        shaping: What is made of them.
        display: What to select for a row.
        schema: Postgres schema of the extension.
        watched: Whether the session's listeners may add conditions of their own.

    Returns:
        A statement with the parameters of the search, whose rows are ``display``, the distance, an array
        ``[score, branch, candidates]``, the number of rows counted, and what facets need. For a row of a facet all but the last
        are NULL.
    """
    found = candidates(find, schema, watched=watched)
    page = _page(find, shaping, found)
    facets = shaping.facets
    parts = [] if facets is None else counts(found.matching, facets, attributes(find.target, find.target.key))
    statement = sa.select(
        *display,
        page.c.distance.label("pgvec_distance"),
        page.c.details.label("pgvec_details"),
        page.c.matching.label("pgvec_matching"),
        *_counted(facets or (), parts),
    )
    statement = statement.select_from(page).join(find.target.entity, is_row(find.target, page))
    for part in parts:
        statement = statement.join(part, sa.false(), full=True)
    return statement.order_by(page.c.place, *(part.c.place for part in parts if "place" in part.c))


def _page(find: Find, shaping: Shaping, found: Candidates) -> sa.Subquery:
    """The rows to return, in their order."""
    rows = found.rows
    keys = [rows.c[f"key_{n}"] for n in range(len(find.target.key))]
    score: sa.ColumnElement[Any] = rows.c.score
    if shaping.score is not None:
        score = sa.func.nullif(sa.cast(shaping.score, sa.Double()), NAN, type_=sa.Double())
    if shaping.order_by:
        order = list(shaping.order_by)
    elif shaping.score is not None or found.by_score:
        order = [score.desc().nulls_last()]
    else:
        order = [rows.c.distance]
    pool = sa.select(row_count()).select_from(rows).scalar_subquery()
    details = array((score, rows.c.branch, pool), type_=sa.Double())
    place = sa.func.row_number().over(order_by=(*order, *keys))
    statement = sa.select(
        *keys, rows.c.distance, details.label("details"), rows.c.matching, place.label("place")
    ).select_from(rows)
    if shaping.score is not None or shaping.order_by:
        statement = statement.join(find.target.entity, is_row(find.target, rows))
    statement = statement.order_by(sa.literal_column("place"))
    return paged(statement, shaping.limit, shaping.offset).subquery("pgvec_page")


def _counted(facets: tuple[FacetCount, ...], parts: list[sa.Subquery]) -> list[sa.ColumnElement[Any]]:
    """Which facet a row belongs to, its numbers, and the values of all facets: one of the parts has them."""
    if not parts:
        return []
    columns: list[sa.ColumnElement[Any]] = []
    for name in ("facet", "rows", "all_rows"):
        of_parts = [part.c[name] for part in parts]
        one = sa.func.coalesce(*of_parts) if len(of_parts) > 1 else of_parts[0]
        columns.append(one.label(f"pgvec_{name}"))
    values = {column.name: column for part in parts for column in part.c}
    # The type of the facet, which tells what the driver's values become in Python.
    columns += [
        sa.type_coerce(values[f"value_{n}"], facet.type).label(f"pgvec_value_{n}") for n, facet in enumerate(facets)
    ]
    return columns
