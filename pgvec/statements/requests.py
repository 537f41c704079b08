"""What a recipe in ``operations`` may ask of whoever runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from pgvec.model import Target
from pgvec.statements.plan import SearchPlan, SearchShape
from pgvec.statements.scoring import Scoring
from pgvec.statements.shaping import Shaping

__all__ = ["Execute", "Explain", "Find", "Forget", "Place", "Request", "Result", "Survey"]


@dataclass(frozen=True, slots=True)
class Place:
    """Whose database to use, where no model or table of the caller's is meant: that of a table of pgvec's own."""

    entity: sa.Table


@dataclass(frozen=True, slots=True)
class Find:
    """Ask for the rows of a search, as ``(record or row, distance, branch, rows counted)``.

    With a scoring or shaping, an array that begins ``[score, branch]`` takes the place of the branch.

    Attributes:
        target: What to search.
        shape: What is asked for.
        plan: How it is answered.
        where: Condition on the rows, or None.
        display: Columns to return as rows, or None for records.
        include_embedding: Whether records come with their embeddings.
        parameters: Values of the statement's own parameters.
        where_key: SQLAlchemy's sign of the condition's structure, with its values; None where it has none.
        scoring: By what rows are ordered, or None for the distance.
        shaping: What is made of the rows that are found, or None; then the limit of the shape is that of the candidates.
        beside: What to return of each row besides, as a tuple at the end of what is found; empty for no such tuple.
    """

    target: Target
    shape: SearchShape
    plan: SearchPlan
    where: sa.ColumnElement[bool] | None
    display: tuple[Any, ...] | None
    include_embedding: bool
    parameters: Mapping[str, Any]
    where_key: Any = None
    scoring: Scoring | None = None
    shaping: Shaping | None = None
    beside: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Execute:
    """Ask for a statement to be executed, once or for each of many parameter sets.

    Attributes:
        statement: Any SQLAlchemy statement.
        target: Whose database to use, where a session knows several.
        parameters: One set of parameters, several, or None.
        savepoint: Whether an error must leave the caller's transaction usable.
        scalars: Whether to return the first column of each row instead of rows.
    """

    statement: sa.Executable
    target: Target | Place
    parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    savepoint: bool = False
    scalars: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """Answer to :class:`Execute`: the rows that came back, and how many rows were affected."""

    rows: list[Any]
    count: int


@dataclass(frozen=True, slots=True)
class Forget:
    """Ask a session to expire what it holds of these keys, since a statement changed the rows behind its back."""

    target: Target
    keys: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Survey:
    """Ask what is known of the target's table; the answer may be some minutes old.

    It is a pair: the :class:`TableFacts`, or None where there is no such table, and how many statements it took to learn them.

    Attributes:
        target: Whose table.
        fresh: Whether to ask the database in any case.
    """

    target: Target
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Explain:
    """Ask for the text of a search statement and for the plan that Postgres has for it.

    Attributes:
        find: The search.
        analyze: Whether to run it, so that the plan tells what happened.
    """

    find: Find
    analyze: bool = False


Request: TypeAlias = Find | Execute | Forget | Survey | Explain
