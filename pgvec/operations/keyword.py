"""The recipe of a keyword search: one statement, and a receipt."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pgvec.errors import MigrationPendingError, QueryError
from pgvec.model import Match, Matches, Receipt, Strategy, Target
from pgvec.operations.shaped import shaped_matches
from pgvec.statements.plan import Form, SearchPlan, SearchShape
from pgvec.statements.requests import Find, Request
from pgvec.statements.scoring import KeywordScoring
from pgvec.statements.shaping import Shaping

__all__ = ["KeywordQuestion", "keyword_search", "raise_pending"]

# No such function, no such schema.
_PENDING = frozenset({"42883", "3F000"})


@dataclass(frozen=True, slots=True)
class KeywordQuestion:
    """A keyword search, checked.

    Attributes:
        shape: What decides the text of the statement, together with the scoring.
        scoring: Whether the index may stop at the limit.
        where: Condition on the rows, or None.
        display: Columns to return as rows, or None for records.
        include_embedding: Whether records come with their embeddings.
        parameters: Values of the statement's parameters.
        shaping: What is made of the rows that are found, or None.
    """

    shape: SearchShape
    scoring: KeywordScoring
    where: sa.ColumnElement[bool] | None
    display: tuple[Any, ...] | None
    include_embedding: bool
    parameters: Mapping[str, Any]
    shaping: Shaping | None = None


def keyword_search(target: Target, question: KeywordQuestion) -> Generator[Request, Any, Matches[Any]]:
    """Find the rows that match a text best.

    Raises:
        MigrationPendingError: The schema ``pgvec`` lacks the functions.
    """
    shape = question.shape
    where_key = None if question.where is None else question.where._generate_cache_key()  # noqa: SLF001 - SQLAlchemy's own
    find = Find(
        target,
        shape,
        SearchPlan(Form.EXACT),
        question.where,
        question.display,
        question.include_embedding,
        question.parameters,
        where_key,
        question.scoring,
        question.shaping,
    )
    try:
        found: Sequence[tuple[Any, ...]] = yield find
    except QueryError as exc:
        raise_pending(exc)
        raise
    if question.shaping is not None:
        return shaped_matches(find, question.shaping, found, 1)
    matches = tuple(
        Match(record, math.nan, None, details[0], rank)
        for rank, (record, _, details, _) in enumerate(found, start=shape.offset + 1)
    )
    return Matches(matches, _receipt(shape, len(matches)))


def _receipt(shape: SearchShape, returned: int) -> Receipt:
    """Every row with one of the words was scored, so the answer is the best there is."""
    return Receipt(
        strategy=Strategy.EXACT,
        complete=True,
        exact=True,
        matching=shape.offset + returned if returned else 0,
        matching_is_exact=returned < shape.limit and (returned > 0 or not shape.offset),
        requested=shape.limit,
        returned=returned,
    )


def raise_pending(exc: QueryError) -> None:
    """Tell that the migrations have to be run, where that is what an error means."""
    if exc.sqlstate in _PENDING:
        raise MigrationPendingError(
            f"The schema pgvec of this database lacks what keyword search needs: run  pgvec migrate up  ({exc})"
        ) from exc
