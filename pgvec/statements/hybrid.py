"""The statement of a hybrid search: the vector search and the keyword search as they are, and their scores fused.

::

    WITH pgvec_dense AS (the vector search, for the candidates),
         pgvec_matches AS (the keyword search; it scores the candidates of the vector search too),
         pgvec_words AS (what of that passes the condition, with ranks)
    SELECT ... FROM (both lists, with the distance of every row in them; normalised; weighted)

Both lists are as long as the number of candidates. A row that is in one of them has its true distance and its true score, so
nothing depends on whether it came into the other; only ranks (``rrf``) and list statistics (``dbsf``) know lists.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.sql.selectable import CTE

from pgvec.model import Fusion, Strategy, Target, VectorType
from pgvec.statements.keyword import is_row, keyword_matches, row_type
from pgvec.statements.numbers import HALF, NAN, ONE, ZERO, paged, whole_number
from pgvec.statements.plan import attributes, embedding_of
from pgvec.statements.qualified import distance_between, query_parameter, vector_cast
from pgvec.statements.requests import Find
from pgvec.statements.scoring import INDEX, NEAR_WEIGHT, WORDS_WEIGHT, HybridScoring
from pgvec.statements.search import BRANCHES, QUERY, search_statement

__all__ = ["hybrid_statement", "store_fusion"]


def hybrid_statement(find: Find, scoring: HybridScoring, display: list[Any], schema: str) -> sa.Select[Any]:
    """Build the statement of a hybrid search.

    Returns:
        A statement with the parameters of the vector search, ``pgvec_text``, ``pgvec_index`` and two weights, whose rows are
        ``display``, the distance, an array ``[score, branch, near, words, bm25]`` (near and words are what the weights weigh),
        and NULL for rows counted.
    """
    target, entity = find.target, find.target.entity
    dense = _dense(find, schema)
    words = _words(find, scoring, dense)
    parts = _parts(_pool(find, dense, words, schema), scoring)
    near_weight, words_weight = _weights(target, scoring)
    score = near_weight * parts.c.near + words_weight * parts.c.words
    branch = sa.func.coalesce(
        sa.select(sa.func.max(dense.c.branch)).scalar_subquery(),
        sa.literal_column(str(BRANCHES.index(Strategy.EXACT))),
    )
    details = array((score, branch, parts.c.near, parts.c.words, parts.c.score), type_=sa.Float())  # type: ignore[misc]
    statement = sa.select(
        *display,
        parts.c.distance.label("pgvec_distance"),
        details.label("pgvec_details"),
        sa.cast(sa.null(), sa.Integer()).label("pgvec_matching"),
    )
    statement = statement.select_from(parts).join(entity, is_row(target, parts))
    statement = statement.order_by(score.desc(), *attributes(target, target.key))
    return paged(statement, scoring.limit, scoring.offset)


def store_fusion(target: Target) -> sa.Select[Any]:
    """Build the statement that stores the weight of the vectors, ``pgvec_near_weight``, for the index ``pgvec_index``."""
    return sa.select(
        sa.func.pgvec._keyword_store_fusion_v1(  # noqa: SLF001 - a function of pgvec's own schema
            row_type(target),
            sa.bindparam(INDEX, type_=sa.Text()),
            sa.literal(target.column.name, sa.Text()),
            sa.bindparam(NEAR_WEIGHT, type_=sa.Float()),
        )
    )


def _dense(find: Find, schema: str) -> CTE:
    """Keys, distances and ranks of the nearest rows."""
    keys = attributes(find.target, find.target.key)
    found = search_statement(replace(find, scoring=None), keys, schema).subquery("pgvec_nearest")
    *found_keys, distance, branch, _ = found.c
    place = sa.func.row_number().over(order_by=(distance, *found_keys))
    named = (key.label(f"key_{n}") for n, key in enumerate(found_keys))
    columns = (distance.label("distance"), branch.label("branch"), place.label("place"))
    return sa.select(*named, *columns).cte("pgvec_dense").prefix_with("MATERIALIZED")


def _words(find: Find, scoring: HybridScoring, dense: CTE) -> CTE:
    """Keys, scores and ranks of what the text matches; ranks beyond the candidates are NULL."""
    texts = array([sa.cast(dense.c[f"key_{n}"], sa.Text()) for n in range(len(find.target.key))])
    also = sa.select(sa.func.array_agg(sa.cast(texts, sa.Text()))).scalar_subquery()
    most = find.shape.limit if scoring.pushed and find.where is None else None
    matches = keyword_matches(find.target, most=most, also=also)
    keys = [matches.c[f"key_{n}"] for n in range(len(find.target.key))]
    score = sa.func.max(matches.c.score)
    statement = sa.select(*keys, score.label("score"))
    if most is None:
        statement = statement.select_from(matches).join(find.target.entity, is_row(find.target, matches))
    if find.where is not None:
        statement = statement.where(find.where)
    scored = statement.group_by(*keys).subquery("pgvec_scored")
    own = [scored.c[f"key_{n}"] for n in range(len(find.target.key))]
    place = sa.func.row_number().over(order_by=(scored.c.score.desc(), *own))
    ranked = sa.select(*own, scored.c.score, place.label("place")).subquery("pgvec_ranked")
    within = sa.case((ranked.c.place <= sa.literal_column(f"{find.shape.limit:d}"), ranked.c.place))
    named = (ranked.c[f"key_{n}"] for n in range(len(find.target.key)))
    return sa.select(*named, ranked.c.score, within.label("place")).cte("pgvec_words").prefix_with("MATERIALIZED")


def _pool(find: Find, dense: CTE, words: CTE, schema: str) -> sa.Subquery:
    """Every row of the two lists, with its distance, its score, and its ranks where it has them."""
    target = find.target
    names = [f"key_{n}" for n in range(len(target.key))]
    listed = sa.union(
        sa.select(*(dense.c[name] for name in names)),
        sa.select(*(words.c[name] for name in names)).where(words.c.place.is_not(None)),
    ).subquery("pgvec_listed")
    embedding = embedding_of(target)
    distance = distance_between(embedding, _query(target, schema), target.distance, schema)
    return (
        sa.select(
            *(listed.c[name] for name in names),
            # A zero vector has no cosine distance; with the bare operator Postgres might look for an index.
            sa.func.nullif(distance + sa.literal_column("0"), NAN).label("distance"),
            words.c.score.label("score"),
            dense.c.place.label("near_place"),
            words.c.place.label("words_place"),
        )
        .select_from(listed)
        .join(target.entity, is_row(target, listed))
        .outerjoin(dense, sa.and_(*(dense.c[name] == listed.c[name] for name in names)))
        .outerjoin(words, sa.and_(*(words.c[name] == listed.c[name] for name in names)))
        .subquery("pgvec_pool")
    )


def _query(target: Target, schema: str) -> sa.ColumnElement[Any]:
    column = target.column
    if column.type in (VectorType.VECTOR, VectorType.HALFVEC):
        return query_parameter(QUERY, column.type, schema)
    text = sa.cast(sa.bindparam(QUERY, type_=sa.Text()), sa.Text())
    return vector_cast(text, column.type, column.dimensions, schema)


def _parts(pool: sa.Subquery, scoring: HybridScoring) -> sa.Subquery:
    """What the weights weigh: ``near`` for the distance, ``words`` for the score; larger is better, and what lacks is 0."""
    if scoring.fusion is Fusion.RRF:
        near, words = (_reciprocal(place, scoring.rrf_k) for place in (pool.c.near_place, pool.c.words_place))
    elif scoring.fusion is Fusion.DBSF:
        near = _standardized(sa.case((pool.c.near_place.is_not(None), -pool.c.distance)))
        words = _standardized(sa.case((pool.c.words_place.is_not(None), pool.c.score)))
    else:
        near = _spread(-pool.c.distance, ONE)
        score = sa.func.coalesce(pool.c.score, ZERO)
        words = _spread(score, sa.case((score > ZERO, ONE), else_=ZERO))
    keys = (column for column in pool.c if column.name.startswith("key_"))
    columns = (pool.c.distance, pool.c.score, near.label("near"), words.label("words"))
    return sa.select(*keys, *columns).subquery("pgvec_parts")


def _reciprocal(place: sa.ColumnElement[Any], rrf_k: int) -> sa.ColumnElement[float]:
    return sa.func.coalesce(ONE / (whole_number(rrf_k) + place), ZERO)


def _spread(value: sa.ColumnElement[Any], alone: sa.ColumnElement[float]) -> sa.ColumnElement[float]:
    """From 0 for the least of the pool to 1 for the greatest; ``alone`` where all are equal, 0 for NULL."""
    least, greatest = sa.func.min(value).over(), sa.func.max(value).over()
    spread = sa.case((greatest > least, (value - least) / sa.func.nullif(greatest - least, ZERO)), else_=alone)
    return sa.case((value.is_not(None), spread), else_=ZERO)


def _standardized(value: sa.ColumnElement[Any]) -> sa.ColumnElement[float]:
    """From 0 for three standard deviations below the mean of the list to 1 for three above; 0.5 where all are equal, 0 for NULL."""
    mean, deviation = sa.func.avg(value).over(), sa.func.stddev_pop(value).over()
    six = sa.literal_column("6::float8", sa.Float())
    scaled = (value - mean) / sa.func.nullif(six * deviation, ZERO) + HALF
    return sa.case((value.is_not(None), sa.func.coalesce(scaled, HALF)), else_=ZERO)


def _weights(target: Target, scoring: HybridScoring) -> tuple[sa.ColumnElement[float], sa.ColumnElement[float]]:
    near: sa.ColumnElement[float] = sa.cast(sa.bindparam(NEAR_WEIGHT, type_=sa.Float()), sa.Double())
    words: sa.ColumnElement[float] = sa.cast(sa.bindparam(WORDS_WEIGHT, type_=sa.Float()), sa.Double())
    if scoring.fusion is not Fusion.AUTO:
        return near, words
    stored = sa.select(
        sa.func.pgvec._keyword_fusion_v1(  # noqa: SLF001 - a function of pgvec's own schema
            row_type(target), sa.bindparam(INDEX, type_=sa.Text()), sa.literal(target.column.name, sa.Text())
        )
    ).scalar_subquery()
    return sa.func.coalesce(stored, near), sa.func.coalesce(ONE - stored, words)
