"""The statement of a keyword search: the function of the schema ``pgvec`` scores, the statement joins rows and conditions."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import CTE

from pgvec.model import Strategy, Target
from pgvec.statements.numbers import paged
from pgvec.statements.plan import attributes
from pgvec.statements.requests import Find
from pgvec.statements.scoring import INDEX, TEXT
from pgvec.statements.search import BRANCHES

__all__ = ["is_row", "keyword_matches", "keyword_statement", "limit_belongs_to_the_index", "row_type"]


class _RowType(sa.ColumnElement[Any]):
    """The type of a table's rows, as ``regtype``. It names the table as Postgres finds it, whatever schema that is in."""

    __visit_name__ = "pgvec_row_type"
    inherit_cache = True
    type = sa.types.NullType()
    _traverse_internals = [("table", sa.sql.visitors.InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - as declared there

    def __init__(self, table: sa.Table) -> None:
        self.table = table


@compiles(_RowType)
def _compile_row_type(element: _RowType, compiler: SQLCompiler, **_kw: Any) -> str:
    return f"pg_catalog.pg_typeof(CAST(NULL AS {compiler.preparer.format_table(element.table)}))"


def limit_belongs_to_the_index(target: Target) -> bool:
    """Whether every row of the table is a record of the target, so that no other row can take a place in a limit."""
    if isinstance(target.entity, sa.Table):
        return True
    mapper = sa.inspect(target.entity)
    return mapper.inherits is None and mapper.polymorphic_on is None


def keyword_statement(find: Find, display: list[Any], *, pushed: bool, matches: CTE | None = None) -> sa.Select[Any]:
    """Build the statement of a keyword search.

    Args:
        find: What is asked for.
        display: What to select for a row.
        pushed: Whether the index itself may stop at the limit.
        matches: All rows that the text matches, where the statement has them for another purpose too.

    Returns:
        A statement with the parameters ``pgvec_text`` and ``pgvec_index`` whose rows are ``display``, NULL for the distance
        that was not computed, an array of the score and the position in ``BRANCHES``, and NULL for rows counted.
    """
    target, shape = find.target, find.shape
    most = shape.wanted if pushed and find.where is None else None
    if matches is None:
        matches = keyword_matches(target, most=most)
    branch: sa.ColumnElement[float] = sa.literal_column(str(BRANCHES.index(Strategy.EXACT)))
    details = array((matches.c.score, branch), type_=sa.Float())  # type: ignore[misc]
    statement = sa.select(
        *display,
        sa.cast(sa.null(), sa.Float()).label("pgvec_distance"),
        details.label("pgvec_details"),
        sa.cast(sa.null(), sa.Integer()).label("pgvec_matching"),
    )
    statement = statement.select_from(matches).join(target.entity, is_row(target, matches))
    if find.where is not None:
        statement = statement.where(find.where)
    statement = statement.order_by(matches.c.score.desc(), *attributes(target, target.key))
    return paged(statement, shape.limit, shape.offset)


def keyword_matches(
    target: Target, *, most: int | None, also: sa.ColumnElement[Any] | None = None, name: str = "pgvec_matches"
) -> CTE:
    """Keys (``key_<n>``) and scores of what the text matches, whatever the condition of the search.

    Args:
        target: What to search.
        most: How many to return of the best, or None for all.
        also: Keys, as an array of the texts of arrays, whose scores are wanted in any case; they may come twice.
        name: What this part of the statement is called.
    """
    function = sa.func.pgvec._keyword_matches_v1(  # noqa: SLF001 - a function of pgvec's own schema
        row_type(target),
        sa.bindparam(INDEX, type_=sa.Text()),
        sa.bindparam(TEXT, type_=sa.Text()),
        sa.null() if most is None else sa.literal_column(f"{most:d}"),
        sa.null() if also is None else also,
    ).table_valued(sa.column("key", ARRAY(sa.Text())), sa.column("score", sa.Float()), name="matched")
    keys = (
        sa.cast(function.c.key[sa.literal_column(str(n))], key.type).label(f"key_{n - 1}")
        for n, key in enumerate(attributes(target, target.key), start=1)
    )
    return sa.select(*keys, function.c.score).cte(name).prefix_with("MATERIALIZED")


def row_type(target: Target) -> sa.ColumnElement[Any]:
    """The type of the rows of the target's table, by which functions know the table."""
    return _RowType(target.entity if isinstance(target.entity, sa.Table) else sa.inspect(target.entity).local_table)


def is_row(target: Target, found: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether a row of the target has the key of what was found."""
    return sa.and_(*(key == found.c[f"key_{n}"] for n, key in enumerate(attributes(target, target.key))))
