"""The tastes of a user, within a statement: the last events become weighed items, and those a few groups of similar ones.

::

    WITH RECURSIVE
         events AS MATERIALIZED (the last events of the user, with what each is worth today, and the items that were given),
         rated AS MATERIALIZED (the items, and what their events are worth together),
         liked AS MATERIALIZED (the best of them with unit vectors, numbered),
         disliked AS MATERIALIZED (those that are worth less than nothing),
         pairs AS MATERIALIZED (how similar each two liked ones are),
         centres AS (again and again, the liked item that stands for most of what the ones before do not),
         tastes AS MATERIALIZED (the liked items that are nearest to each centre: the sum of their vectors, and their weight)

An average of everything that somebody likes may be near nothing that he likes; so each group is searched for by itself, as PinnerSage
does (Pal et al., KDD 2020). Centres are chosen greedily by how much more of the weight they cover: the facility location of
Nemhauser, Wolsey and Fisher (1978), at least 63 % as good as the best choice.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by, array
from sqlalchemy.sql.selectable import CTE

from pgvec.model import Distance, Target, VectorType
from pgvec.orm.indexes import extension_function
from pgvec.statements.events import ITEMS, STRENGTHS, USER, TasteScoring
from pgvec.statements.numbers import NAN, ONE, ZERO, row_count, whole_number
from pgvec.statements.plan import attributes, embedding_of
from pgvec.statements.qualified import distance_between, fetched, product, vector_cast

__all__ = ["Tastes"]

_MOST_LIKED = 20
_MOST_DISLIKED = 10
# Some of the items may have no embedding; the vectors of all would be fetched only to be let go of.
_SPARE = 2
_LEAST_WEIGHT: sa.ColumnElement[float] = sa.literal_column("1e-6::float8", sa.Float())
_LEAST_GAIN: sa.ColumnElement[float] = sa.literal_column("0.05::float8", sa.Float())
"""What a further taste has to cover of the weight of all."""
# Beyond this an event counts for nothing, and the power of two would be too small for a number.
_MOST_HALVINGS: sa.ColumnElement[float] = sa.literal_column("500::float8", sa.Float())
_GIVEN = "given"


class Tastes:
    """The CTEs.

    Attributes:
        rated: Items (``item``, ``weight``, ``kind``, the last thing that happened).
        liked: Items that are liked (``number``, ``item``, ``weight``, ``kind``, ``vector``).
        disliked: Vectors of items that are not (``weight``, ``vector``); weights are at most 1.
        tastes: The tastes (``number``, ``share``, ``vector``); the shares are 1 together.
    """

    def __init__(self, target: Target, scoring: TasteScoring, schema: str) -> None:
        self._target = target
        self._scoring = scoring
        self._schema = schema
        self.rated = self._rated()
        self.liked = self._valued("liked", _MOST_LIKED, good=True)
        self.disliked = self._valued("disliked", _MOST_DISLIKED, good=False)
        self.tastes = self._tastes(self._centres())

    def seen(self) -> sa.Select[Any] | None:
        """The items that are left out, or None."""
        events = self._scoring.events
        parts: list[Any] = []
        if self._scoring.of_user and self._scoring.exclude_seen:
            parts.append(sa.select(events.item.label("item")).where(events.user == self._user()))
        if self._scoring.with_items:
            parts.append(sa.select(sa.func.unnest(self._items()).label("item")))
        if not parts:
            return None
        cte = _materialized(sa.union_all(*parts), "seen")
        return sa.select(cte.c.item).where(cte.c.item.is_not(None))

    def _user(self) -> Any:
        return sa.bindparam(USER, type_=self._scoring.events.user.type)

    def _items(self) -> Any:
        return sa.bindparam(ITEMS, type_=ARRAY(self._scoring.events.item.type))

    def _rated(self) -> CTE:
        parts: list[Any] = []
        if self._scoring.of_user:
            parts.append(self._of_user())
        if self._scoring.with_items:
            parts.append(self._of_items())
        events = _materialized(sa.union_all(*parts), "events")
        last = sa.func.array_agg(aggregate_order_by(events.c.kind, events.c.place))
        kind = sa.type_coerce(last, ARRAY(sa.Text()))[whole_number(1)]
        rated = sa.select(events.c.item, sa.func.sum(events.c.worth).label("weight"), kind.label("kind"))
        return _materialized(rated.group_by(events.c.item), "rated")

    def _of_user(self) -> sa.Select[Any]:
        """The last events, the newest first; those of no worth do not take the place of others."""
        events = self._scoring.events
        newest = (
            sa.select(
                events.item.label("item"), events.worth.label("worth"), events.at.label("at"), events.kind.label("kind")
            )
            .where(events.user == self._user())
            .order_by(events.at.desc())
            .limit(whole_number(events.last))
            .subquery("pgvec_newest")
        )
        return sa.select(
            newest.c.item,
            (newest.c.worth * fading(newest.c.at, events.half_life_seconds)).label("worth"),
            sa.cast(newest.c.kind, sa.Text()).label("kind"),
            sa.func.row_number().over(order_by=newest.c.at.desc()).label("place"),
        )

    def _of_items(self) -> sa.Select[Any]:
        given = (
            sa.func.unnest(self._items(), sa.bindparam(STRENGTHS, type_=ARRAY(sa.Float())))
            .table_valued(
                sa.column("item", self._scoring.events.item.type),
                sa.column("worth", sa.Float()),
                with_ordinality="place",
                name="pgvec_given",
            )
            .render_derived()
        )
        kind: sa.ColumnElement[str] = sa.literal_column(f"'{_GIVEN}'::text", sa.Text())
        return sa.select(given.c.item, given.c.worth, kind.label("kind"), given.c.place)

    def _valued(self, name: str, most: int, *, good: bool) -> CTE:
        """Items with the most worth (or the least), with their vectors, by weights of which the largest is 1."""
        rated, target = self.rated, self._target
        (key,) = attributes(target, target.key)
        embedding = embedding_of(target)
        worth = rated.c.weight if good else -rated.c.weight
        best = (
            sa.select(rated.c.item, worth.label("weight"), rated.c.kind)
            .where(worth > ZERO)
            .order_by(worth.desc(), rated.c.item)
            .limit(whole_number(_SPARE * most))
            .subquery(f"pgvec_{name}_best")
        )
        chosen = (
            sa.select(
                best.c.item,
                best.c.weight,
                best.c.kind,
                fetched(embedding, target.column.type, self._schema).label("vector"),
            )
            .select_from(best.join(target.entity, key == best.c.item))
            .where(embedding.is_not(None))
            .where(distance_between(embedding, embedding, Distance.COSINE, self._schema) != NAN)
            .order_by(best.c.weight.desc(), best.c.item)
            .limit(whole_number(most))
            .subquery(f"pgvec_{name}_rows")
        )
        share = chosen.c.weight / sa.func.max(chosen.c.weight).over()
        relative = sa.select(chosen.c.item, share.label("weight"), chosen.c.kind, chosen.c.vector).subquery(
            f"pgvec_{name}_shares"
        )
        number = sa.cast(sa.func.row_number().over(order_by=(relative.c.weight.desc(), relative.c.item)), sa.Integer())
        whole = vector_cast(relative.c.vector, VectorType.VECTOR, None, self._schema)
        statement = sa.select(
            number.label("number"), relative.c.item, relative.c.weight, relative.c.kind, whole.label("vector")
        )
        return _materialized(statement.where(relative.c.weight > _LEAST_WEIGHT), name)

    def _centres(self) -> tuple[CTE, CTE]:
        """How similar liked items are, and the centres: ``step`` from 1 and ``number``; step 0 is the beginning."""
        liked, other = self.liked, self.liked.alias("pgvec_other")
        near = sa.func.greatest(
            ONE - distance_between(liked.c.vector, other.c.vector, Distance.COSINE, self._schema), ZERO
        )
        pairs = _materialized(
            sa.select(liked.c.number.label("centre"), other.c.number, other.c.weight, near.label("near")).select_from(
                liked.join(other, sa.true())
            ),
            "pairs",
        )
        number = sa.select(sa.cast(row_count(), sa.Integer())).select_from(liked).scalar_subquery()
        nothing = sa.func.array_fill(ZERO, array([number], type_=sa.Integer()))  # type: ignore[misc]
        first: Any = sa.select(
            whole_number(0).label("step"),
            whole_number(0).label("number"),
            sa.cast(nothing, ARRAY(sa.Double())).label("covered"),
        )
        centres = first.cte("pgvec_centres", recursive=True)
        gain = sa.func.sum(pairs.c.weight * sa.func.greatest(pairs.c.near - centres.c.covered[pairs.c.number], ZERO))
        total = sa.select(sa.func.sum(liked.c.weight)).scalar_subquery()
        best = (
            sa.select(
                pairs.c.centre,
                sa.func.array_agg(
                    aggregate_order_by(
                        sa.func.greatest(centres.c.covered[pairs.c.number], pairs.c.near), pairs.c.number
                    )
                ).label("covered"),
            )
            .correlate(centres)
            .group_by(pairs.c.centre)
            .having(sa.or_(centres.c.step == whole_number(0), gain > _LEAST_GAIN * total))
            .order_by(gain.desc(), pairs.c.centre)
            .limit(whole_number(1))
            .lateral("pgvec_best_centre")
        )
        following = sa.select(centres.c.step + whole_number(1), best.c.centre, best.c.covered)
        following = following.select_from(centres.join(best, sa.true()))
        return pairs, centres.union_all(following.where(centres.c.step < whole_number(self._scoring.tastes)))

    def _tastes(self, found: tuple[CTE, CTE]) -> CTE:
        pairs, centres = found
        liked = self.liked
        order = sa.func.row_number().over(partition_by=pairs.c.number, order_by=(pairs.c.near.desc(), centres.c.step))
        nearest = (
            sa.select(pairs.c.number, centres.c.step, order.label("place"))
            .select_from(pairs.join(centres, centres.c.number == pairs.c.centre))
            .subquery("pgvec_nearest_centre")
        )
        weight = sa.func.sum(liked.c.weight)
        statement = sa.select(
            nearest.c.step.label("number"),
            (weight / sa.func.sum(weight).over()).label("share"),
            self._centre().label("vector"),
        )
        statement = statement.select_from(liked.join(nearest, nearest.c.number == liked.c.number))
        own = statement.where(nearest.c.place == whole_number(1))
        # The limit tells Postgres how few they are: it would plan for many, take the statement for dear, and compile it.
        return _materialized(own.group_by(nearest.c.step).limit(whole_number(self._scoring.tastes)), "tastes")

    def _centre(self) -> sa.ColumnElement[Any]:
        """The sum of vectors times their weights, of unit vectors for the cosine; for other distances their average."""
        liked, column = self.liked, self._target.column
        vector: sa.ColumnElement[Any] = liked.c.vector
        weight = liked.c.weight
        if self._target.distance is Distance.COSINE:
            vector = extension_function("l2_normalize", self._schema, vector)
        dimensions = array([extension_function("vector_dims", self._schema, vector)], type_=sa.Integer())  # type: ignore[misc]
        factors = vector_cast(
            sa.func.array_fill(sa.cast(weight, sa.REAL()), dimensions), VectorType.VECTOR, None, self._schema
        )
        weighed = product(vector, factors, self._schema)
        if self._target.distance is Distance.COSINE:
            summed = extension_function("sum", self._schema, weighed)
        else:
            # avg(v * w) * (count / sum(w)): vectors cannot be divided.
            scale = sa.func.array_fill(sa.cast(row_count() / sa.func.sum(weight), sa.REAL()), sa.func.max(dimensions))
            factor = vector_cast(scale, VectorType.VECTOR, None, self._schema)
            summed = product(extension_function("avg", self._schema, weighed), factor, self._schema)
        return summed if column.type is VectorType.VECTOR else vector_cast(summed, column.type, None, self._schema)


def fading(at: Any, half_life_seconds: float | None) -> sa.ColumnElement[float]:
    """What is left of the worth of an event at its age; one in the future has none yet."""
    if half_life_seconds is None:
        return ONE
    age = sa.func.extract("epoch", sa.func.now() - at)
    halvings: sa.ColumnElement[float] = sa.cast(
        sa.cast(age, sa.Double()) / sa.literal_column(repr(half_life_seconds), sa.Float()), sa.Double()
    )
    return sa.func.power(
        sa.literal_column("0.5::float8"), sa.func.least(sa.func.greatest(halvings, ZERO), _MOST_HALVINGS)
    )


def _materialized(statement: Any, name: str) -> CTE:
    cte: CTE = statement.cte(f"pgvec_{name}").prefix_with("MATERIALIZED")
    return cte
