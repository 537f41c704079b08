"""The recipes of searches by examples and of diverse searches: one statement, and a receipt."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pgvec.errors import InvalidInputError, RecordNotFoundError
from pgvec.model import Distance, Match, Matches, Receipt, Target
from pgvec.operations.receipt import Found, receipt
from pgvec.operations.search import Question, planned, require_embedding
from pgvec.statements.examples import KEY_NUMBERS, KEYS, stored_examples
from pgvec.statements.requests import Execute, Find, Request
from pgvec.statements.scoring import DiverseScoring, ExampleScoring, Formula

__all__ = ["DiverseQuestion", "ExampleQuestion", "diverse_search", "search_by_examples"]


@dataclass(frozen=True, slots=True)
class ExampleQuestion:
    """A search by examples, checked.

    Attributes:
        question: The search; its parameters are those of the whole statement.
        scoring: How examples become a score.
    """

    question: Question
    scoring: ExampleScoring


@dataclass(frozen=True, slots=True)
class DiverseQuestion:
    """A diverse search, checked.

    Attributes:
        question: The search for the candidates.
        scoring: How many of them to return.
    """

    question: Question
    scoring: DiverseScoring


def search_by_examples(target: Target, asked: ExampleQuestion) -> Generator[Request, Any, Matches[Any]]:
    """Find the rows that examples ask for.

    Raises:
        RecordNotFoundError: An example is not stored, or stored without an embedding.
        InvalidInputError: The examples cancel each other out.
    """
    shape, scoring = asked.question.shape, asked.scoring
    pool = replace(shape, limit=max(shape.limit, scoring.candidates))
    find, statements = yield from planned(target, replace(asked.question, shape=pool))
    find = replace(find, shape=shape, scoring=scoring)
    if scoring.formula is not Formula.SUM_OF_VECTORS:
        # A smaller form of the vectors would choose by another order than that of the score.
        find = replace(find, plan=replace(find.plan, compact=None, pool=0))
    found: Sequence[Found] = yield find
    if not found:
        yield from _require_examples(target, asked)
    elif scoring.formula is Formula.SUM_OF_VECTORS and math.isnan(found[0][1]):
        raise InvalidInputError(
            "The examples cancel each other out: the sum of their vectors is zero, which has no cosine distance (or the "
            "embeddings of all rows that match are zero)"
        )
    matches = [_match(target, scoring, row, rank) for rank, row in enumerate(found, start=asked.question.first_rank)]
    return Matches(tuple(matches), receipt(find, found, statements + 1))


def diverse_search(target: Target, asked: DiverseQuestion) -> Generator[Request, Any, Matches[Any]]:
    """Find rows that are near and differ from each other.

    Raises:
        RecordNotFoundError: The query is a record that is not stored, or stored without an embedding.
    """
    question, scoring = asked.question, asked.scoring
    find, statements = yield from planned(target, question)
    found: Sequence[Found] = yield replace(find, scoring=scoring)
    if not found and question.record_key is not None:
        yield from require_embedding(target, question.record_key)
    matches = [
        Match(record, distance, target.similarity(distance), details[0], rank)
        for rank, (record, distance, details, _) in enumerate(found, start=scoring.offset + 1)
    ]
    return Matches(tuple(matches), _receipt_of_candidates(find, scoring, found, statements + 1))


def _match(target: Target, scoring: ExampleScoring, row: Found, rank: int) -> Match[Any]:
    if scoring.formula is Formula.SUM_OF_VECTORS:
        return Match(row[0], row[1], target.similarity(row[1]), None, rank)
    return Match(row[0], math.nan, None, 0.0 - row[1], rank)


def _receipt_of_candidates(find: Find, scoring: DiverseScoring, found: Sequence[Found], statements: int) -> Receipt:
    """The receipt of the search for the candidates, of which the answer is a part."""
    number = int(found[0][2][2]) if found else 0
    rows = [(row[0], row[1], int(row[2][1]), row[3]) for row in found]
    whole = receipt(find, rows, statements, returned=number)
    return replace(
        whole,
        complete=len(found) == scoring.limit or whole.complete,
        requested=scoring.limit,
        returned=len(found),
    )


def _require_examples(target: Target, asked: ExampleQuestion) -> Generator[Request, Any, None]:
    """Tell "nothing matches" from "an example is missing", which only an empty answer can hide."""
    if not asked.scoring.by_key:
        return
    names = (KEY_NUMBERS, *(f"{KEYS}_{n}" for n in range(len(target.key))))
    numbers, *parts = (asked.question.parameters[name] for name in names)
    keys = dict(zip(numbers, zip(*parts, strict=True), strict=True))
    stored = yield Execute(stored_examples(target), target, dict(zip(names, (numbers, *parts), strict=True)))
    usable = dict(tuple(row) for row in stored.rows)
    missing = [key for number, key in keys.items() if number not in usable]
    if missing:
        raise RecordNotFoundError(
            f"{target.name} has no row with the key {_listed(missing)}, so it cannot be an example"
        )
    zero_matters = target.distance is Distance.COSINE
    lacking = [key for number, key in keys.items() if usable[number] is None or (zero_matters and not usable[number])]
    if lacking:
        raise RecordNotFoundError(
            f"The {target.column.attribute} of {target.name} {_listed(lacking)} is NULL or zero, so it cannot be an example"
        )


def _listed(keys: Sequence[tuple[Any, ...]]) -> str:
    some = list(dict.fromkeys(keys))
    texts = [repr(key[0] if len(key) == 1 else key) for key in some[:10]]
    return ", ".join(texts) + (f" and {len(some) - 10} more" if len(some) > 10 else "")
