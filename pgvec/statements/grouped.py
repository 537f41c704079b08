"""The statement of a search in groups: the groups with the nearest rows, and of each the nearest rows.

::

    WITH pgvec_searched AS MATERIALIZED (the search itself: keys and distances of the nearest rows),
         pgvec_pool AS MATERIALIZED (the same with the keys of their groups),
         pgvec_state AS MATERIALIZED (may there be rows that are not in the pool?),
         pgvec_near AS MATERIALIZED (the groups in the pool),
         pgvec_missing AS MATERIALIZED (are they too few, though there may be more?),
         pgvec_groups AS MATERIALIZED (those groups, and if too few, the nearest of the others, by comparing every row of them),
         pgvec_rows AS (of whole groups what the pool has, of the others the rows themselves)
    SELECT ... FROM (the first rows of each group)

A group that is missing in the pool is farther away than all that is in it, so it is looked for only where the pool has too few.
Each of the two completions sits behind a One-Time Filter: what is not needed is never executed.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.sql.selectable import CTE

from pgvec.model import Strategy
from pgvec.statements.candidates import candidates
from pgvec.statements.keyword import is_row
from pgvec.statements.numbers import row_count, whole_number
from pgvec.statements.plan import attributes
from pgvec.statements.requests import Find
from pgvec.statements.search import BRANCHES, SearchBuilder
from pgvec.statements.shaping import RowGroups, Shaping

__all__ = ["grouped_statement"]

_ZERO: sa.ColumnElement[int] = sa.literal_column("0")


def grouped_statement(
    find: Find, shaping: Shaping, display: list[Any], schema: str, *, watched: bool
) -> sa.Select[Any]:
    """Build the statement of a search in groups.

    Args:
        find: What is asked for; its limit is the number of candidates.
        shaping: How many groups, of what.
        display: What to select for a row.
        schema: Postgres schema of the extension.
        watched: Whether the session's listeners may add conditions of their own.

    Returns:
        A statement with the parameters of the search, whose rows are ``display``, the distance, an array
        ``[NULL, branch, candidates, were groups missing]``, the number of rows counted, the place of the group, and its keys.
    """
    assert shaping.groups is not None, "a search in groups says of what"
    found = candidates(find, schema, watched=watched)
    assert found.builder is not None, "groups are those of a search by vectors"
    return _GroupedBuilder(find, shaping, shaping.groups, found.rows, found.builder).statement(display)


class _GroupedBuilder:
    """The parts of the statement."""

    def __init__(self, find: Find, shaping: Shaping, groups: RowGroups, found: CTE, builder: SearchBuilder) -> None:
        self.find = find
        self.shaping = shaping
        self.groups = groups
        self.found = found
        self.builder = builder
        self.keys = attributes(find.target, find.target.key)
        self.own = [key.label(f"group_{n}") for n, key in enumerate(groups.keys)]
        self.distance = (builder.distance + _ZERO).label("distance")
        self.wanted = whole_number(shaping.limit + shaping.offset)
        self.per_group = whole_number(groups.per_group)
        self.pool = self._pool()
        self.state = self._state()
        self.near = self._near()
        self.few = self._few()
        self.best = self._best()

    def statement(self, display: list[Any]) -> sa.Select[Any]:
        """The whole statement."""
        placed = self._placed()
        details = array(
            (
                sa.cast(sa.null(), sa.Double()),
                self._of_state("branch"),
                self._of_state("rows"),
                sa.cast(sa.cast(self._is_few, sa.Integer()), sa.Double()),
            ),
            type_=sa.Double(),
        )
        statement = sa.select(
            *display,
            placed.c.distance.label("pgvec_distance"),
            details.label("pgvec_details"),
            self._of_state("matching").label("pgvec_matching"),
            placed.c.group_place.label("pgvec_group"),
            *(
                sa.type_coerce(column, key.type).label(f"pgvec_key_{n}")
                for n, (column, key) in enumerate(zip(self._keys_of(placed), self.groups.keys, strict=True))
            ),
        )
        statement = statement.select_from(placed).join(self.find.target.entity, is_row(self.find.target, placed))
        statement = statement.where(placed.c.place <= self.per_group)
        if self.shaping.offset:
            statement = statement.where(placed.c.group_place > whole_number(self.shaping.offset))
        return statement.order_by(placed.c.group_place, placed.c.place)

    def _pool(self) -> CTE:
        """The nearest rows, with their groups."""
        row_keys = (self.found.c[f"key_{n}"] for n in range(len(self.keys)))
        statement = sa.select(*row_keys, self.found.c.distance, *self.own).select_from(self.found)
        statement = statement.join(self.find.target.entity, is_row(self.find.target, self.found))
        return SearchBuilder.materialized(statement, "pool")

    def _state(self) -> CTE:
        """One row: how many rows were found, how, and whether there may be more that match."""
        rows = row_count()
        branch = sa.func.max(self.found.c.branch)
        # An index that was asked for rows within a distance may have missed some, however few came.
        by_index = whole_number(BRANCHES.index(Strategy.INDEX))
        more = sa.or_(rows >= whole_number(self.find.shape.limit), sa.func.coalesce(branch == by_index, sa.false()))
        columns: list[sa.ColumnElement[Any]] = [
            rows.label("rows"),
            branch.label("branch"),
            sa.func.max(self.found.c.matching).label("matching"),
            more.label("more"),
        ]
        return SearchBuilder.materialized(sa.select(*columns).select_from(self.found), "state")

    def _near(self) -> CTE:
        """The groups of the nearest rows."""
        rows = row_count()
        keys = self._keys_of(self.pool)
        statement = sa.select(*keys, sa.func.min(self.pool.c.distance).label("distance"), rows.label("rows"))
        return SearchBuilder.materialized(statement.group_by(*keys), "near")

    def _few(self) -> CTE:
        groups = sa.select(row_count()).select_from(self.near).scalar_subquery()
        yes = sa.and_(self._of_state("more"), groups < self.wanted)
        return SearchBuilder.materialized(sa.select(yes.label("yes")), "missing")

    def _best(self) -> CTE:
        """The groups of the answer, each with whether its rows in the pool are enough."""
        near = self.near
        others = self._others()
        listed = sa.union_all(
            sa.select(*self._keys_of(near), near.c.distance, near.c.rows),
            sa.select(*self._keys_of(others), others.c.distance, _ZERO),
        ).subquery("pgvec_listed")
        keys = self._keys_of(listed)
        place = sa.func.row_number().over(order_by=(listed.c.distance, *keys))
        is_whole = sa.or_(listed.c.rows >= self.per_group, sa.not_(self._of_state("more")))
        statement = sa.select(*keys, place.label("group_number"), is_whole.label("whole"))
        statement = statement.order_by(sa.literal_column("group_number")).limit(self.wanted)
        return SearchBuilder.materialized(statement, "groups")

    def _others(self) -> sa.Subquery:
        """The nearest groups that are not in the pool, looked for only where it has too few."""
        distance = self.distance
        rows = self.builder.matching(*self.own, distance).where(self._is_few, *self._is_other())
        listed = rows.subquery("pgvec_other_rows")
        keys = self._keys_of(listed)
        nearest = sa.func.min(listed.c.distance)
        statement = sa.select(*keys, nearest.label("distance")).group_by(*keys).order_by(nearest, *keys)
        return statement.limit(self.wanted).subquery("pgvec_others")

    def _is_other(self) -> list[sa.ColumnElement[bool]]:
        """Whether a row's group is not among the near ones. Equality is what Postgres can hash, so NULL has a way of its own."""
        near = self.near
        known = self._keys_of(near)
        same = [own == key for own, key in zip(self.groups.keys, known, strict=True)]
        conditions = [~sa.exists(sa.select(_ZERO).select_from(near).where(*same))]
        if any(self.groups.nullable):
            has_none = [
                key.is_(None) for key, nullable in zip(self.groups.keys, self.groups.nullable, strict=True) if nullable
            ]
            equal = self._is_same(self.groups.keys, known)
            found = sa.exists(sa.select(_ZERO).select_from(near).where(equal, self._has_null(near)))
            conditions.append(sa.or_(sa.not_(sa.or_(*has_none)), ~found))
        return conditions

    def _rows(self) -> sa.Subquery:
        """The rows of the groups: from the pool where that has enough of them, else from the table."""
        best, pool = self.best, self.pool
        row_keys = [f"key_{n}" for n in range(len(self.keys))]
        columns = (best.c.group_number, *self._keys_of(best))
        from_pool = (
            sa.select(*(pool.c[name] for name in row_keys), pool.c.distance, *columns)
            .select_from(pool)
            .join(best, sa.and_(best.c.whole, self._is_same(self._keys_of(pool), self._keys_of(best))))
        )
        same = sa.and_(*(own == key for own, key in zip(self.groups.keys, self._keys_of(best), strict=True)))
        parts = [from_pool, self._from_table(same, ~best.c.whole)]
        if any(self.groups.nullable):
            equal = self._is_same(self.groups.keys, self._keys_of(best))
            parts.append(self._from_table(equal, sa.and_(~best.c.whole, self._has_null(best))))
        return sa.union_all(*parts).subquery("pgvec_rows")

    def _from_table(self, same: sa.ColumnElement[bool], which: sa.ColumnElement[bool]) -> sa.Select[Any]:
        """Rows of those groups; where there is no such group, the table is not read."""
        best = self.best
        named = (key.label(f"key_{n}") for n, key in enumerate(self.keys))
        rows = self.builder.matching(*named, self.distance, best.c.group_number, *self._keys_of(best))
        any_such = sa.select(sa.func.coalesce(sa.func.bool_or(which), sa.false())).select_from(best).scalar_subquery()
        return rows.join(best, sa.and_(same, which)).where(any_such)

    def _placed(self) -> sa.Subquery:
        """The rows with their places: of the group by its nearest row, and of the row in its group."""
        rows = self._rows()
        row_keys = [rows.c[f"key_{n}"] for n in range(len(self.keys))]
        in_group = sa.func.row_number().over(partition_by=rows.c.group_number, order_by=(rows.c.distance, *row_keys))
        nearest = sa.func.min(rows.c.distance).over(partition_by=rows.c.group_number)
        listed = sa.select(*rows.c, in_group.label("place"), nearest.label("nearest")).subquery("pgvec_in_groups")
        order = sa.func.dense_rank().over(order_by=(listed.c.nearest, listed.c.group_number))
        return sa.select(*listed.c, order.label("group_place")).subquery("pgvec_placed")

    @property
    def _is_few(self) -> sa.ColumnElement[bool]:
        return sa.select(self.few.c.yes).scalar_subquery()

    def _of_state(self, name: str) -> sa.ColumnElement[Any]:
        return sa.select(self.state.c[name]).scalar_subquery()

    def _keys_of(self, part: sa.FromClause) -> list[sa.ColumnElement[Any]]:
        return [part.c[f"group_{n}"] for n in range(len(self.groups.keys))]

    def _is_same(self, left: Any, right: Any) -> sa.ColumnElement[bool]:
        """Whether two groups are the same, where NULL is a value like others."""
        pairs = zip(left, right, self.groups.nullable, strict=True)
        return sa.and_(
            *(
                sa.or_(one == other, sa.and_(one.is_(None), other.is_(None))) if nullable else one == other
                for one, other, nullable in pairs
            )
        )

    def _has_null(self, part: sa.FromClause) -> sa.ColumnElement[bool]:
        return sa.or_(*(key.is_(None) for key in self._keys_of(part)))
