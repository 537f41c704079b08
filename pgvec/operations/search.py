"""The recipe of a search: one statement, and a receipt."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from pgvec.errors import RecordNotFoundError
from pgvec.model import Distance, Match, Matches, Receipt, Strategy, Target
from pgvec.statements.requests import Execute, Find, Request
from pgvec.statements.search import BRANCHES, SearchShape, effective_ef_search, stored_embedding

__all__ = ["Question", "search"]


@dataclass(frozen=True, slots=True)
class Question:
    """A search, checked.

    Attributes:
        shape: What decides the text of the statement.
        where: Condition on the rows, or None.
        display: Columns to return as rows, or None for records.
        include_embedding: Whether records come with their embeddings.
        parameters: Values of the statement's parameters.
        record_key: Key of the stored record that is the query, or None where a vector is.
    """

    shape: SearchShape
    where: sa.ColumnElement[bool] | None
    display: tuple[Any, ...] | None
    include_embedding: bool
    parameters: Mapping[str, Any]
    record_key: tuple[Any, ...] | None = None


def search(target: Target, question: Question) -> Generator[Request, Any, Matches[Any]]:
    """Find the nearest rows.

    Raises:
        RecordNotFoundError: The query is a record that is not stored, or stored without an embedding.
    """
    found: Sequence[tuple[Any, float, int]] = yield Find(
        target,
        question.shape,
        question.where,
        question.display,
        question.include_embedding,
        question.parameters,
    )
    if not found and question.record_key is not None:
        yield from _require_embedding(target, question.record_key)
    is_cosine = target.distance is Distance.COSINE
    matches = [
        Match(record, distance, 1.0 - distance if is_cosine else None, None, rank)
        for rank, (record, distance, _) in enumerate(found, start=question.shape.offset + 1)
    ]
    return Matches(tuple(matches), _receipt(target, question, found))


def _require_embedding(target: Target, key: tuple[Any, ...]) -> Generator[Request, Any, None]:
    """Tell "nothing is near" from "there is nothing to be near to", which only an empty answer can hide."""
    stored = yield Execute(stored_embedding(target, key), target)
    if not stored.rows:
        raise RecordNotFoundError(f"No row of {target.name} has the key {key}, so nothing can be searched by it")
    if not stored.rows[0][0]:
        raise RecordNotFoundError(
            f"The row of {target.name} with the key {key} has no {target.column.attribute}, so nothing can be searched by it"
        )


def _receipt(target: Target, question: Question, found: Sequence[tuple[Any, float, int]]) -> Receipt:
    shape = question.shape
    strategy = _strategy(shape, found)
    by_index = strategy is Strategy.INDEX
    receipt = Receipt(
        strategy=strategy,
        complete=not by_index or len(found) == shape.limit,
        exact=not by_index,
        requested=shape.limit,
        returned=len(found),
        ef_search=None if shape.exact else effective_ef_search(target, shape),
    )
    if found and math.isnan(found[-1][1]):
        undefined = sum(1 for _, distance, _ in found if math.isnan(distance))
        receipt = replace(
            receipt,
            warnings=(
                f"{undefined} of the matches have no distance, because their embedding is all zeros; they come last",
            ),
        )
    return receipt


def _strategy(shape: SearchShape, found: Sequence[tuple[Any, float, int]]) -> Strategy:
    if shape.exact:
        return Strategy.EXACT
    if found:
        return BRANCHES[found[0][2]]
    # Where the index finds too little, the statement goes on to compare every row; a distance bound or an offset may
    # still leave nothing of a full answer of the index.
    return Strategy.INDEX if shape.bounded or shape.offset else Strategy.COMPLETED
