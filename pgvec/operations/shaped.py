"""What comes back of searches that are ordered anew, counted or grouped: matches, facets, groups, and an honest receipt."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Generator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, TypeAlias

from pgvec.model import Facet, FacetValue, Groups, Match, Matches, MatchGroup, Receipt, Strategy, Target
from pgvec.operations.receipt import Found, receipt
from pgvec.operations.search import Question, planned, require_embedding
from pgvec.operations.search import search as plain_search
from pgvec.statements.facets import TOTAL
from pgvec.statements.requests import Find, Request
from pgvec.statements.search import BRANCHES
from pgvec.statements.shaping import Shaping

__all__ = ["search", "search_groups", "shaped_matches"]

# A record or row, its distance, an array of score, branch and number of candidates, the number of rows counted, and what follows.
_Shaped: TypeAlias = tuple[Any, ...]
_DETAILS, _EXTRA = 2, 4


def shaped_matches(find: Find, shaping: Shaping, rows: Sequence[_Shaped], statements: int) -> Matches[Any]:
    """Return the matches of a search that was shaped, with what was counted beside them."""
    found = [row for row in rows if row[_DETAILS] is not None]
    matches = tuple(
        _match(find, row, rank, undefined=shaping.score is not None)
        for rank, row in enumerate(found, start=shaping.offset + 1)
    )
    made = _receipt(find, shaping, found, statements)
    if shaping.facets is None:
        return Matches(matches, made)
    total, facets = _counted(shaping, [row[_EXTRA:] for row in rows if row[_DETAILS] is None])
    made = replace(
        made,
        complete=len(found) == min(shaping.limit, max(total - shaping.offset, 0)),
        matching=total,
        matching_is_exact=True,
    )
    return Matches(matches, made, total, facets)


def search(target: Target, question: Question) -> Generator[Request, Any, Matches[Any]]:
    """Find the nearest rows, and make of them what is asked for.

    Raises:
        RecordNotFoundError: The query is a record that is not stored, or stored without an embedding.
    """
    shaping = question.shaping
    if shaping is None:
        return (yield from plain_search(target, question))
    find, statements = yield from planned(target, question)
    rows: Sequence[_Shaped] = yield find
    if question.record_key is not None and all(row[_DETAILS] is None for row in rows):
        yield from require_embedding(target, question.record_key)
    return shaped_matches(find, shaping, rows, statements + 1)


def search_groups(target: Target, question: Question) -> Generator[Request, Any, Groups[Any]]:
    """Find the groups with the nearest rows, and of each its nearest rows."""
    find, statements = yield from planned(target, question)
    rows: Sequence[_Shaped] = yield find
    if not rows and question.record_key is not None:
        yield from require_embedding(target, question.record_key)
    shaping = question.shaping
    assert shaping is not None
    assert shaping.groups is not None
    key_type: Any = namedtuple("Key", shaping.groups.names, rename=True)  # type: ignore[misc]  # noqa: PYI024 - the names are data
    groups = tuple(
        MatchGroup(
            key_type._make(members[0][_EXTRA + 1 :]),
            tuple(_match(find, row, rank) for rank, row in enumerate(members, start=1)),
            place,
        )
        for place, members in ((place, list(listed)) for place, listed in groupby(rows, lambda row: int(row[_EXTRA])))
    )
    return Groups(groups, _receipt_of_groups(find, shaping, rows, len(groups), statements + 1))


def _match(find: Find, row: _Shaped, rank: int, *, undefined: bool = False) -> Match[Any]:
    distance, score = row[1], row[_DETAILS][0]
    return Match(
        row[0],
        math.nan if distance is None else distance,
        find.target.similarity(distance),
        math.nan if score is None and undefined else score,
        rank,
    )


def _receipt(find: Find, shaping: Shaping, rows: Sequence[_Shaped], statements: int) -> Receipt:
    """The receipt of the candidates, which the answer is made of; the limit is that of the answer."""
    inner = _of_candidates(find, rows, statements)
    returned = len(rows)
    is_everything = bool(rows or not shaping.offset) and inner.exact and inner.returned < find.shape.limit
    return replace(
        inner,
        complete=is_everything or returned == shaping.limit,
        requested=shaping.limit,
        returned=returned,
        matching_is_exact=inner.matching_is_exact and bool(rows or not shaping.offset),
    )


def _of_candidates(find: Find, rows: Sequence[_Shaped], statements: int) -> Receipt:
    """What would be said of the candidates, had they been all that was asked for."""
    pool = int(rows[0][_DETAILS][2]) if rows else 0
    if find.scoring is None:
        found: list[Found] = [(None, row[1], int(row[_DETAILS][1]), row[3]) for row in rows]
        return receipt(find, found, statements, returned=pool)
    branch = BRANCHES[int(rows[0][_DETAILS][1])] if rows else Strategy.EXACT
    everything = pool < find.shape.limit and branch is not Strategy.INDEX
    return Receipt(
        strategy=branch,
        complete=everything,
        exact=everything,
        matching=pool,
        matching_is_exact=everything,
        requested=find.shape.limit,
        returned=pool,
        ef_search=find.plan.ef_search,
        statements=statements,
        warnings=find.plan.warnings,
    )


def _receipt_of_groups(
    find: Find, shaping: Shaping, rows: Sequence[_Shaped], returned: int, statements: int
) -> Receipt:
    """A receipt that counts groups: where the pool had too few, all rows were looked at, so there are no more."""
    inner = receipt(find, [], statements)
    if rows:
        branch, pool, few = (row if row is not None else 0 for row in rows[0][_DETAILS][1:])
        found: list[Found] = [(None, 0.0, int(branch), rows[0][3])] if pool else []
        inner = receipt(find, found, statements, returned=int(pool))
        if few:
            warning = (
                f"the {int(pool):,} nearest rows are of fewer groups than were asked for: the same statement looked for others "
                "among all rows that pass"
            )
            inner = replace(inner, warnings=(*inner.warnings, warning))
    return replace(inner, complete=True, requested=shaping.limit, returned=returned)


def _counted(shaping: Shaping, rows: Sequence[_Shaped]) -> tuple[int, dict[str, Facet]]:
    """Read what was counted: for each row which facet, the number of rows, the sum of the facet, and the values."""
    facets = shaping.facets or ()
    listed: list[list[FacetValue]] = [[] for _ in facets]
    together = [0] * len(facets)
    total = 0
    for number, count, all_rows, *values in rows:
        if number == TOTAL:
            total = count
            continue
        listed[number].append(FacetValue(values[number], count))
        together[number] = all_rows
    answer = {}
    for facet, values_of, everything in zip(facets, listed, together, strict=True):
        other = everything - sum(value.rows for value in values_of)
        values_of.sort(key=lambda value: value.value is None)
        answer[facet.name] = Facet(facet.name, tuple(values_of), other)
    return total, answer
