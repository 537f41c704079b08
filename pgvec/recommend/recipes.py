"""What a recommender asks of the database."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from pgvec.errors import RecordNotFoundError
from pgvec.model import Receipt, Strategy, Target
from pgvec.operations.receipt import Found, receipt
from pgvec.operations.search import planned
from pgvec.recommend.arguments import Asked
from pgvec.recommend.values import Origin, Reason, Recommendation, Recommendations, SimilarUser
from pgvec.statements.events import ITEMS, STRENGTHS, USER, Events
from pgvec.statements.plan import attributes, embedding_of
from pgvec.statements.requests import Execute, Find, Request
from pgvec.statements.search import BRANCHES
from pgvec.statements.similar_users import similar_users_statement

__all__ = ["recommend", "similar_users"]

_SCORE, _BRANCH, _SHARE, _EXPLORED, _NEAR = range(5)


def recommend(target: Target, asked: Asked) -> Generator[Request, Any, Recommendations[Any]]:
    """Find what somebody may like.

    Raises:
        RecordNotFoundError: None of the items that were given is stored with an embedding.
    """
    find, statements = yield from planned(target, asked.question)
    # A smaller form of the vectors would choose by another order. To sum up all events is dear, and a statement that might do so would
    # be compiled (JIT) for everybody: so it is another statement, for those alone of whom nothing is known.
    find = replace(find, plan=replace(find.plan, compact=None, pool=0))
    scoring = asked.scoring
    at_once = scoring.popular and scoring.events.popularity is not None
    rows: Sequence[Any] = yield replace(find, scoring=replace(scoring, popular=at_once))
    if not rows and scoring.popular and not at_once:
        rows = yield replace(find, scoring=scoring)
        statements += 1
    if not rows and not scoring.popular:
        yield from _require_items(target, asked)
    found = tuple(_recommendation(row, rank) for rank, row in enumerate(rows, start=1))
    return Recommendations(found, _receipt(find, asked, rows, statements + 1))


def similar_users(
    target: Target, events: Events, user: object, limit: int
) -> Generator[Request, Any, list[SimilarUser]]:
    """Find users who like the same items."""
    found = yield Execute(similar_users_statement(events, limit), target, {USER: user})
    return [SimilarUser(*row) for row in found.rows]


def _recommendation(row: Any, rank: int) -> Recommendation[Any]:
    record, _, details, _, taste, item, kind, label = row
    if not taste:
        return Recommendation(record, details[_SCORE], rank, Origin.POPULAR, None, 0.0, None)
    reason = Reason(item, kind, label, details[_NEAR])
    origin = Origin.EXPLORED if details[_EXPLORED] else Origin.TASTE
    return Recommendation(record, details[_SCORE], rank, origin, int(taste), details[_SHARE], reason)


def _receipt(find: Find, asked: Asked, rows: Sequence[Any], statements: int) -> Receipt:
    plain: list[Found] = [(row[0], 0.0 if math.isnan(row[1]) else row[1], int(row[2][_BRANCH]), row[3]) for row in rows]
    by_index = [row for row in plain if BRANCHES[row[2]] is Strategy.INDEX]
    wanted = asked.scoring.limit
    # What is told of the rows that match is told of the answer, not of the candidates.
    whole = replace(find, shape=replace(find.shape, limit=wanted))
    made = receipt(whole, by_index or plain, statements, returned=len(rows))
    return replace(made, complete=len(rows) == wanted or not by_index)


def _require_items(target: Target, asked: Asked) -> Generator[Request, Any, None]:
    parameters = asked.question.parameters
    liked = [item for item, strength in zip(parameters[ITEMS], parameters[STRENGTHS], strict=True) if strength > 0]
    (key,) = attributes(target, target.key)
    stored = yield Execute(sa.select(key).where(key.in_(liked), embedding_of(target).is_not(None)), target)
    if not stored.rows:
        raise RecordNotFoundError(
            f"{target.name} has none of {', '.join(map(repr, liked[:10]))} whose {target.column.attribute} is not NULL, so nothing can be like them"
        )
