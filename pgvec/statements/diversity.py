"""The statement of a diverse search: the search for the candidates as it is, and the choice among them, one by one.

::

    WITH RECURSIVE pool AS MATERIALIZED (the search, for the candidates, with numbers and embeddings),
         picks AS (the nearest; then, again and again, the one with the largest value)
    SELECT ... FROM picks

A step keeps, for every candidate, the largest similarity to what was picked; so it compares each with the last pick alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by, array
from sqlalchemy.sql.selectable import CTE

from pgvec.model import Target
from pgvec.statements.keyword import is_row
from pgvec.statements.numbers import LEAST, NAN, ONE, ZERO, paged, row_count, whole_number
from pgvec.statements.plan import attributes, embedding_of
from pgvec.statements.qualified import distance_between, fetched, similarity_of
from pgvec.statements.requests import Find
from pgvec.statements.scoring import DiverseScoring
from pgvec.statements.search import search_statement

__all__ = ["DIVERSITY", "diverse_statement", "picks"]

DIVERSITY = "pgvec_diversity"
_PICKED: sa.ColumnElement[float] = sa.literal_column("'Infinity'::float8", sa.Float())
_FIRST: sa.ColumnElement[int] = sa.literal_column("1", sa.Integer())


def diverse_statement(find: Find, scoring: DiverseScoring, display: list[Any], schema: str) -> sa.Select[Any]:
    """Build the statement of a search with maximal marginal relevance.

    Returns:
        A statement with the parameters of the search and ``pgvec_diversity``, whose rows are ``display``, the distance, an
        array ``[value, branch, candidates]``, and the number of rows counted.
    """
    target = find.target
    pool = _pool(find, schema)
    chosen = picks(pool, target, scoring, schema)
    number = sa.select(row_count()).select_from(pool).scalar_subquery()
    value = sa.func.coalesce(_value(pool.c.near, chosen.c.penalty), _value(pool.c.near, ZERO))
    details = array((value, pool.c.branch, number), type_=sa.Float())  # type: ignore[misc]
    statement = sa.select(
        *display,
        pool.c.distance.label("pgvec_distance"),
        details.label("pgvec_details"),
        pool.c.matching.label("pgvec_matching"),
    )
    statement = statement.select_from(chosen).join(pool, pool.c.place == chosen.c.place)
    statement = statement.join(target.entity, is_row(target, pool)).order_by(chosen.c.step)
    return paged(statement, scoring.limit, scoring.offset)


def _pool(find: Find, schema: str) -> CTE:
    """The candidates, nearest first, with their embeddings."""
    target = find.target
    keys = attributes(target, target.key)
    found = search_statement(replace(find, scoring=None), keys, schema).subquery("pgvec_nearest_rows")
    *found_keys, distance, branch, matching = found.c
    named = sa.select(
        *(key.label(f"key_{n}") for n, key in enumerate(found_keys)),
        distance.label("distance"),
        branch.label("branch"),
        matching.label("matching"),
        sa.func.row_number().over(order_by=(distance, *found_keys)).label("place"),
    ).subquery("pgvec_numbered")
    embedding = embedding_of(target)
    statement = sa.select(
        *named.c,
        similarity_of(named.c.distance, target.distance).label("near"),
        fetched(embedding, target.column.type, schema).label("vector"),
    )
    statement = statement.select_from(named).join(target.entity, is_row(target, named))
    return statement.cte("pgvec_pool").prefix_with("MATERIALIZED")


def picks(pool: CTE, target: Target, scoring: DiverseScoring, schema: str) -> CTE:
    """What is picked, step by step: its number, its largest similarity to the picks before, and those of all candidates.

    Picked is the candidate with the largest ``(1 - diversity) * similarity to the query - diversity * largest similarity to what was picked``: Carbonell
    and Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998, with lambda = 1 - diversity.
    """
    number = sa.select(row_count()).select_from(pool).scalar_subquery()
    length = array([sa.cast(number, sa.Integer())], type_=sa.Integer())  # type: ignore[misc]
    none_yet = sa.func.array_fill(LEAST, length)
    first = sa.select(
        _FIRST.label("step"),
        pool.c.place.label("place"),
        sa.cast(sa.null(), sa.Double()).label("penalty"),
        sa.cast(none_yet, ARRAY(sa.Double())).label("penalties"),
    ).where(pool.c.place == _FIRST)
    chosen = first.cte("pgvec_picks", recursive=True)
    best = _next(pool, chosen, target, schema)
    penalty = best.c.penalties[best.c.place]
    following = sa.select(chosen.c.step + _FIRST, best.c.place, penalty, best.c.penalties)
    wanted = whole_number(scoring.limit + scoring.offset)
    return chosen.union_all(
        following.select_from(chosen.join(best, sa.true())).where(chosen.c.step < sa.func.least(wanted, number))
    )


def _next(pool: CTE, picks: CTE, target: Target, schema: str) -> sa.FromClause:
    """The best candidate that is not picked yet, where the similarities to the last pick are taken into account."""
    last = pool.alias("pgvec_last")
    own = similarity_of(distance_between(pool.c.vector, last.c.vector, target.distance, schema), target.distance)
    known = picks.c.penalties[pool.c.place]
    is_picked = sa.or_(pool.c.place == picks.c.place, known == _PICKED)
    penalty = sa.case((is_picked, _PICKED), else_=sa.func.greatest(known, own))
    compared = (
        sa.select(pool.c.place, pool.c.near, penalty.label("penalty"))
        .select_from(pool.join(last, last.c.place == picks.c.place))
        .correlate(picks)
        .subquery("pgvec_compared")
    )
    # Without a similarity (a zero vector has no cosine) a row comes last.
    value = sa.func.nullif(_value(compared.c.near, compared.c.penalty), NAN)
    rated = sa.select(*compared.c, value.label("value")).subquery("pgvec_rated")
    order = (rated.c.value.desc().nulls_last(), rated.c.place)
    places = sa.func.array_agg(aggregate_order_by(rated.c.place, *order)).filter(rated.c.penalty != _PICKED)
    best = sa.type_coerce(places, ARRAY(sa.Integer()))
    penalties = sa.type_coerce(sa.func.array_agg(aggregate_order_by(rated.c.penalty, rated.c.place)), ARRAY(sa.Float()))
    statement = sa.select(best[_FIRST].label("place"), penalties.label("penalties"))
    return statement.select_from(rated).lateral("pgvec_best")


def _value(near: sa.ColumnElement[Any], penalty: sa.ColumnElement[Any]) -> sa.ColumnElement[float]:
    diversity: sa.ColumnElement[float] = sa.cast(sa.bindparam(DIVERSITY, type_=sa.Float()), sa.Double())
    return (ONE - diversity) * near - diversity * penalty
