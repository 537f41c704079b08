"""The statement that answers many queries at once: the search statement, once for each query vector, beside each other.

::

    WITH queries AS MATERIALIZED (the query vectors with their numbers, once the settings are made),
         nearest AS MATERIALIZED (for each query, LATERAL, what the index finds),
         restored AS MATERIALIZED (the settings put back),
         short AS MATERIALIZED (the queries for which the index found too few),
         completed AS MATERIALIZED (for each of those, LATERAL, the exact answer)
    SELECT ... FROM (nearest of the others UNION ALL completed)

Where the plan counts first, few rows that pass the condition make every query short, so that all are answered exactly.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.selectable import CTE

from pgvec.model import Strategy
from pgvec.statements.numbers import row_count, whole_number
from pgvec.statements.plan import Form
from pgvec.statements.qualified import vector_cast
from pgvec.statements.requests import Find
from pgvec.statements.scan_settings import ScanSettings
from pgvec.statements.search import SearchBuilder

__all__ = ["NUMBER", "QUERIES", "ManyBuilder", "search_many_statement"]

QUERIES = "pgvec_queries"
NUMBER = "pgvec_number"


def search_many_statement(find: Find, display: list[Any], schema: str) -> sa.Select[Any]:
    """Build the statement of a search for many vectors.

    Args:
        find: What is asked for, and how it is to be answered.
        display: What to select beside distance and branch: columns, or the model itself.
        schema: Postgres schema of the extension.

    Returns:
        A statement with the parameter ``pgvec_queries``, a list of vectors as texts. Its rows are those of the search
        statement, followed by the number of the query, from 1.
    """
    return ManyBuilder(find, display, schema).statement()


class ManyBuilder(SearchBuilder):
    """The parts of the statement; what differs from one search is that the query vector is a column of ``queries``."""

    query: CTE

    def _query(self) -> CTE:
        self.settings = None if self.plan.form is Form.EXACT else ScanSettings(self.plan)
        given = (
            sa.func.unnest(sa.bindparam(QUERIES, type_=ARRAY(sa.Text())))
            .table_valued(sa.column("text", sa.Text), with_ordinality="number", name="given")
            .render_derived()
        )
        vector = vector_cast(given.c.text, self.target.column.type, self.target.column.dimensions, self.schema)
        statement = sa.select(given.c.number, vector.label("vector")).select_from(given)
        if self.settings is not None:
            ready = self.materialized(sa.select(self.settings.applied().label("yes")), "ready")
            statement = statement.where(sa.select(ready.c.yes).scalar_subquery())
        return self.materialized(statement, "queries")

    @property
    def vector(self) -> sa.ColumnElement[Any]:
        """The query vector of the query at hand."""
        found: sa.ColumnElement[Any] = self.current.c.vector
        return found

    def statement(self) -> sa.Select[Any]:
        """The whole statement."""
        self.current: Any = self.query
        counted: sa.ColumnElement[int] | None = None
        if self.plan.form is Form.EXACT:
            return self._shown(self._each(self._scanned(Strategy.EXACT), "exact").select().subquery("found"))
        many = None
        if self.plan.form is Form.COUNTED:
            counted = self._count_up_to(self._cap)
            many = counted > whole_number(self._cap)
        nearest = self._each(self._by_index(many), "nearest")
        is_restored = self._restored(nearest)
        short = self._short(nearest)
        self.current = short
        branch = Strategy.COMPLETED if many is None else Strategy.EXACT
        completed = self._each(self._scanned(branch), "completed")
        numbers = sa.select(short.c.number)
        found = sa.union_all(
            sa.select(*nearest.c).where(nearest.c.number.not_in(numbers), is_restored), sa.select(*completed.c)
        )
        return self._shown(found.subquery("found"), counted)

    def _each(self, rows: sa.Select[Any], name: str) -> CTE:
        """Rows of a statement for each of the current queries, with the number of the query."""
        inner = rows.lateral()
        statement = sa.select(self.current.c.number, *inner.c).select_from(self.current).join(inner, sa.true())
        return self.materialized(statement, name)

    def _by_index(self, many: sa.ColumnElement[bool] | None) -> sa.Select[Any]:
        shown = (self.distance.label("distance"), self.numbered(Strategy.INDEX))
        rows = self._rows(*shown, by_vector_index=True).where(*self._predicate())
        if many is not None:
            rows = rows.where(many)
        wanted = whole_number(self.shape.wanted)
        if self.plan.holds_whole_vectors or self.plan.index is None:
            return rows.order_by(self.distance).limit(wanted)
        pool = rows.order_by(self._indexed_distance(self.plan.index))
        candidates = pool.limit(whole_number(self.shape.wanted * self.plan.oversampling)).subquery()
        return sa.select(*candidates.c).order_by(candidates.c.distance).limit(wanted)

    def _compact_of_query(self, index: Any) -> sa.ColumnElement[Any]:
        return self._smaller(self.vector, index)

    def _count_up_to(self, cap: int) -> sa.ColumnElement[int]:
        rows: sa.Select[Any] = (
            self._rows().with_only_columns(sa.literal_column("1").label("one")).limit(whole_number(cap + 1))
        )
        few = self.materialized(rows, "few")
        counted = self.materialized(sa.select(row_count().label("rows")).select_from(few), "counted")
        return sa.select(counted.c.rows).scalar_subquery()

    def _restored(self, nearest: CTE) -> sa.ColumnElement[bool]:
        assert self.settings is not None
        found = sa.select(row_count().label("rows")).select_from(nearest).subquery()
        statement = sa.select(self.settings.restored(found.c.rows).label("yes"))
        restored = self.materialized(statement.select_from(found.join(self.settings.kept, sa.true())), "restored")
        return sa.select(restored.c.yes).scalar_subquery()

    def _short(self, nearest: CTE) -> CTE:
        counts = sa.select(nearest.c.number, row_count().label("rows")).group_by(nearest.c.number).subquery()
        queries = self.query
        statement = (
            sa.select(queries.c.number, queries.c.vector)
            .select_from(queries)
            .outerjoin(counts, counts.c.number == queries.c.number)
            .where(sa.func.coalesce(counts.c.rows, sa.literal_column("0")) < whole_number(self.shape.wanted))
        )
        return self.materialized(statement, "short")

    def _shown(self, found: sa.FromClause, counted: sa.ColumnElement[int] | None = None) -> sa.Select[Any]:
        statement = sa.select(*self.display, *self._trailing(found, counted), found.c.number.label(NUMBER))
        statement = statement.select_from(found).join(self.target.entity, self._is_row(found))
        if self.shape.bounded:
            statement = statement.where(self._is_within(found))
        keys = (found.c[f"key_{n}"] for n in range(len(self.key)))
        return statement.order_by(found.c.number, found.c.distance, *keys)
