"""The statement of a recommendation: the search for each taste, beside each other, and the choice among what they find.

::

    WITH RECURSIVE tastes AS (see ``tastes``), ... as in the statement for many vectors, of which each is a taste,
         pool AS MATERIALIZED (each row once, for the taste that it is nearest to, less what it has of disliked items),
         placed AS MATERIALIZED (the pool in order),
         picks AS (where rows shall differ: the choice of a diverse search)
    SELECT ... FROM (the first of them UNION ALL popular rows, where there is no taste),
                    LATERAL (the liked item that is nearest to a row)

Tastes take turns by their weights: of a taste with weight w the n-th row has the place (n - 1/2) / w, which is Sainte-Laguë's way
to distribute seats, so that every beginning of the answer has the tastes in proportion (Steck, "Calibrated recommendations", RecSys 2018).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.sql.selectable import CTE

from pgvec.model import Distance, Strategy
from pgvec.statements.diversity import picks
from pgvec.statements.events import AVOID, EXPLORE, TasteScoring
from pgvec.statements.numbers import HALF, NAN, ONE, ZERO, row_count, whole_number
from pgvec.statements.plan import Form
from pgvec.statements.qualified import distance_between, fetched, similarity_of, vector_cast
from pgvec.statements.requests import Find
from pgvec.statements.scan_settings import ScanSettings
from pgvec.statements.scoring import DiverseScoring
from pgvec.statements.search import BRANCHES
from pgvec.statements.search_many import NUMBER, ManyBuilder
from pgvec.statements.tastes import Tastes, fading

__all__ = ["taste_statement"]

_COLUMNS = ("key_0", "place", "distance", "score", "branch", "number", "share", "explored")


def taste_statement(find: Find, scoring: TasteScoring, display: list[Any], schema: str) -> sa.Select[Any]:
    """Build the statement of a recommendation.

    Returns:
        A statement whose rows are ``display``, the distance from the taste (NaN for a popular row), an array ``[score, branch,
        share of the taste, explored, similarity to the reason]``, the number of rows counted, the number of the taste (0 for a popular
        row), and the item that is the reason, what last happened to it, and its label.
    """
    return _TasteBuilder(find, scoring, display, schema).statement()


class _TasteBuilder(ManyBuilder):
    def __init__(self, find: Find, scoring: TasteScoring, display: list[Any], schema: str) -> None:
        self.scoring = scoring
        self.known = Tastes(find.target, scoring, schema)
        self.seen = self.known.seen()
        super().__init__(find, display, schema)

    def _query(self) -> CTE:
        self.settings = None if self.plan.form is Form.EXACT else ScanSettings(self.plan)
        tastes = self.known.tastes
        statement = sa.select(tastes.c.number, tastes.c.vector)
        if self.settings is not None:
            ready = self.materialized(sa.select(self.settings.applied().label("yes")), "ready")
            statement = statement.where(sa.select(ready.c.yes).scalar_subquery())
        return self.materialized(statement, "queries")

    def _rows(self, *extra: sa.ColumnElement[Any], by_vector_index: bool = False) -> sa.Select[Any]:
        return self._unseen(super()._rows(*extra, by_vector_index=by_vector_index))

    def _unseen(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        return statement if self.seen is None else statement.where(self.key[0].not_in(self.seen))

    def _shown(self, found: sa.FromClause, counted: sa.ColumnElement[int] | None = None) -> sa.Select[Any]:
        chosen = self._placed(self._pool(found))
        if self.scoring.popular:
            chosen = sa.union_all(chosen, self._popular()).subquery("pgvec_chosen").select()
        rows = chosen.subquery("pgvec_answer")
        because = self._because()
        details = array((rows.c.score, rows.c.branch, rows.c.share, rows.c.explored, because.c.near), type_=sa.Float())
        matching: sa.ColumnElement[Any] = sa.literal_column("NULL", sa.Integer) if counted is None else counted
        statement = sa.select(
            *self.display,
            rows.c.distance.label("pgvec_distance"),
            details.label("pgvec_details"),
            matching.label("pgvec_matching"),
            rows.c.number.label(NUMBER),
            because.c.item.label("pgvec_because"),
            because.c.kind.label("pgvec_because_kind"),
            because.c.label.label("pgvec_because_label"),
        )
        statement = statement.select_from(rows).join(self.target.entity, self.key[0] == rows.c.key_0)
        return statement.outerjoin(because, sa.true()).order_by(rows.c.place, rows.c.key_0)

    def _pool(self, found: sa.FromClause) -> CTE:
        """Each row once, with its score and, where it is needed, its vector."""
        order = sa.func.row_number().over(partition_by=found.c.key_0, order_by=(found.c.distance, found.c.number))
        rows = sa.select(
            found.c.key_0, found.c.distance, found.c.branch, found.c.number, order.label("order")
        ).subquery("pgvec_each")
        tastes, disliked = self.known.tastes, self.known.disliked
        compared = distance_between(
            self.embedding, self._as_column(disliked.c.vector), self.target.distance, self.schema
        )
        near = sa.func.greatest(similarity_of(compared + whole_number(0), self.target.distance), ZERO)
        avoided = sa.select(sa.func.coalesce(sa.func.max(near * disliked.c.weight), ZERO)).correlate_except(disliked)
        weight: sa.ColumnElement[float] = sa.cast(sa.bindparam(AVOID, type_=sa.Float()), sa.Double())
        score = similarity_of(rows.c.distance, self.target.distance) - weight * avoided.scalar_subquery()
        statement = sa.select(
            rows.c.key_0,
            rows.c.distance,
            rows.c.branch,
            rows.c.number,
            tastes.c.share,
            score.label("score"),
            fetched(self.embedding, self.target.column.type, self.schema).label("vector"),
        )
        statement = statement.select_from(rows.join(tastes, tastes.c.number == rows.c.number))
        statement = statement.join(self.target.entity, self.key[0] == rows.c.key_0)
        return self.materialized(statement.where(rows.c.order == whole_number(1)), "pool")

    def _as_column(self, vector: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return vector_cast(vector, self.target.column.type, None, self.schema)

    def _placed(self, pool: CTE) -> sa.Select[Any]:
        """The first of the pool: the tastes by turns, some places left to chance; or each unlike those before."""
        best_first = (pool.c.score.desc(), pool.c.key_0)
        rank = sa.func.row_number().over(partition_by=pool.c.number, order_by=best_first)
        turns = sa.select(*pool.c, ((rank - HALF) / pool.c.share).label("turn")).subquery("pgvec_turns")
        explore: sa.ColumnElement[float] = sa.cast(sa.bindparam(EXPLORE, type_=sa.Float()), sa.Double())
        drawn = sa.case((sa.func.random() < explore, ONE), else_=ZERO)
        numbered = sa.select(
            *turns.c,
            drawn.label("explored"),
            sa.func.row_number().over(order_by=(turns.c.turn, turns.c.key_0)).label("fair"),
            row_count().over().label("rows"),
        )
        # OFFSET 0 keeps Postgres from drawing again for each mention.
        fixed = numbered.offset(whole_number(0)).subquery("pgvec_drawn")
        by_chance = sa.func.random() * fixed.c.rows + HALF
        mixed = sa.case((fixed.c.explored == ONE, by_chance), else_=fixed.c.fair)
        order = sa.func.row_number().over(order_by=(mixed, fixed.c.key_0))
        placed = self.materialized(sa.select(*fixed.c, order.label("place"), fixed.c.score.label("near")), "placed")
        if not self.scoring.diverse:
            statement = sa.select(*(placed.c[name] for name in _COLUMNS))
            return statement.where(placed.c.place <= whole_number(self.scoring.limit))
        steps = picks(placed, self.target, DiverseScoring(self.scoring.limit), self.schema)
        columns = [steps.c.step.label("place") if name == "place" else placed.c[name] for name in _COLUMNS]
        return sa.select(*columns).select_from(steps.join(placed, placed.c.place == steps.c.place))

    def _popular(self) -> sa.Select[Any]:
        """What others like, where there is no taste to go by."""
        events, key = self.scoring.events, self.key[0]
        is_known = sa.select(whole_number(1)).select_from(self.known.tastes).exists()
        value, source = events.popularity, self.target.entity
        statement = sa.select(key.label("key_0"))
        if value is None:
            worth = sa.func.greatest(events.worth, ZERO) * fading(events.at, events.half_life_seconds)
            counted = (
                sa.select(events.item.label("item"), sa.func.sum(worth).label("worth"))
                .where(~is_known)
                .group_by(events.item)
                .subquery("pgvec_counted")
            )
            value = sa.func.coalesce(counted.c.worth, ZERO)
            statement = statement.select_from(sa.outerjoin(source, counted, counted.c.item == key))
        statement = statement.add_columns(sa.cast(value, sa.Double()).label("score")).where(~is_known)
        if self.where is not None:
            statement = statement.where(self.where)
        most = (
            self._unseen(statement)
            .order_by(sa.literal_column("score").desc().nulls_last(), key)
            .limit(whole_number(self.scoring.limit))
            .subquery("pgvec_popular")
        )
        place = sa.func.row_number().over(order_by=(most.c.score.desc().nulls_last(), most.c.key_0))
        return sa.select(
            most.c.key_0,
            place.label("place"),
            NAN.label("distance"),
            most.c.score,
            whole_number(BRANCHES.index(Strategy.EXACT)).label("branch"),
            whole_number(0).label("number"),
            ZERO.label("share"),
            ZERO.label("explored"),
        )

    def _because(self) -> Any:
        """The liked item that is nearest to a row."""
        liked, label = self.known.liked, self.scoring.events.label
        own = self._as_column(liked.c.vector)
        distance = distance_between(self.embedding, own, Distance.COSINE, self.schema) + whole_number(0)
        nearest = (
            sa.select(liked.c.item, liked.c.kind, (ONE - distance).label("near"))
            .correlate_except(liked)
            .order_by(distance, liked.c.number)
            .limit(whole_number(1))
        )
        if label is None:
            return nearest.add_columns(sa.literal_column("NULL", sa.Text()).label("label")).lateral("pgvec_because_row")
        table = label.table if isinstance(label, sa.Column) else label.property.columns[0].table
        name = label if isinstance(label, sa.Column) else label.property.columns[0]
        other = table.alias("pgvec_because_item")
        (key_column,) = (column for column in table.primary_key)
        named = (
            sa.select(sa.cast(other.c[name.key], sa.Text()))
            .where(other.c[key_column.key] == liked.c.item)
            .correlate(liked)
            .scalar_subquery()
        )
        return nearest.add_columns(named.label("label")).lateral("pgvec_because_row")
