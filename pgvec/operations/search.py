"""The recipe of a search: one statement, and a receipt."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pgvec.errors import RecordNotFoundError
from pgvec.model import Match, Matches, Target, VectorType
from pgvec.operations.receipt import Found, receipt
from pgvec.orm.values import check_value, to_text
from pgvec.statements.plan import SearchShape
from pgvec.statements.planner import remembered_plan
from pgvec.statements.requests import Execute, Find, Request, Survey
from pgvec.statements.search import stored_embedding
from pgvec.statements.search_many import QUERIES
from pgvec.statements.shaping import Shaping

__all__ = ["Question", "planned", "query_value", "require_embedding", "search", "search_many"]


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
        recall: Share of the true nearest that an approximate answer shall contain, or None for the default.
        first_rank: Rank of the first match.
        shaping: What is made of the rows that are found, or None.
        asked: Statements that were sent before, to find the column.
    """

    shape: SearchShape
    where: sa.ColumnElement[bool] | None
    display: tuple[Any, ...] | None
    include_embedding: bool
    parameters: Mapping[str, Any]
    record_key: tuple[Any, ...] | None = None
    recall: float | None = None
    first_rank: int = 1
    shaping: Shaping | None = None
    asked: int = 0


def search(target: Target, question: Question) -> Generator[Request, Any, Matches[Any]]:
    """Find the nearest rows.

    Raises:
        RecordNotFoundError: The query is a record that is not stored, or stored without an embedding.
    """
    find, statements = yield from planned(target, question)
    found: Sequence[Found] = yield find
    if not found and question.record_key is not None:
        yield from require_embedding(target, question.record_key)
    return _matches(find, found, statements + 1, first_rank=question.first_rank)


def search_many(target: Target, question: Question) -> Generator[Request, Any, list[Matches[Any]]]:
    """Find the nearest rows to each of many vectors, in one statement."""
    find, statements = yield from planned(target, question)
    found: Sequence[Found] = yield find
    answers: list[list[Found]] = [[] for _ in question.parameters[QUERIES]]
    for row in found:
        answers[row[-1] - 1].append(row)
    return [_matches(find, answer, statements + 1) for answer in answers]


def _matches(find: Find, found: Sequence[Found], statements: int, *, first_rank: int = 1) -> Matches[Any]:
    similarity = find.target.similarity
    matches = [
        Match(row[0], row[1], similarity(row[1]), None, rank) for rank, row in enumerate(found, start=first_rank)
    ]
    return Matches(tuple(matches), receipt(find, found, statements))


def query_value(target: Target, vector: object) -> Any:
    """Check a query vector, and bring it into the form that the statement takes.

    Raises:
        InvalidInputError: It cannot be compared with the column; the subclass says why.
    """
    value = check_value(vector, target.column, distance=target.distance, what="query vector")
    return value if target.column.type in (VectorType.VECTOR, VectorType.HALFVEC) else to_text(value)


def planned(target: Target, question: Question) -> Generator[Request, Any, tuple[Find, int]]:
    """Plan a search by what is known of the table, and return it with the number of statements that this took."""
    facts, statements = (None, 0) if question.shape.exact else (yield Survey(target))
    where_key = None if question.where is None else question.where._generate_cache_key()  # noqa: SLF001 - SQLAlchemy's own
    plan = remembered_plan(target, question.shape, question.where, facts, recall=question.recall, where_key=where_key)
    find = Find(
        target,
        question.shape,
        plan,
        question.where,
        question.display,
        question.include_embedding,
        question.parameters,
        where_key,
        shaping=question.shaping,
    )
    return find, statements + question.asked


def require_embedding(target: Target, key: tuple[Any, ...]) -> Generator[Request, Any, None]:
    """Tell "nothing is near" from "there is nothing to be near to", which only an empty answer can hide.

    Raises:
        RecordNotFoundError: The row is not stored, or stored without an embedding.
    """
    stored = yield Execute(stored_embedding(target, key), target)
    if not stored.rows:
        raise RecordNotFoundError(f"No row of {target.name} has the key {key}, so nothing can be searched by it")
    if not stored.rows[0][0]:
        raise RecordNotFoundError(
            f"The row of {target.name} with the key {key} has no {target.column.attribute}, so nothing can be searched by it"
        )
