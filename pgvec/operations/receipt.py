"""What is known of an answer: the receipt of a search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from pgvec.model import Receipt, Strategy
from pgvec.statements.plan import Form
from pgvec.statements.requests import Find
from pgvec.statements.search import BRANCHES

__all__ = ["Found", "receipt"]

# A record or row, its distance, the position of the branch that found it, and the number of rows that were counted.
Found: TypeAlias = tuple[Any, ...]


def receipt(find: Find, found: Sequence[Found], statements: int, *, returned: int | None = None) -> Receipt:
    """Return the receipt of a search.

    Args:
        find: What was asked, and how it was to be answered.
        found: What came back.
        statements: How many statements were sent.
        returned: How many rows the search found, where what came back is only a part of them.
    """
    number = len(found) if returned is None else returned
    branch = _branch(find, found)
    by_index = branch is Strategy.INDEX
    matching, is_exact = _matching(find, found, number, branch)
    is_compact = not by_index and find.plan.compact is not None and not (is_exact and matching <= find.plan.pool)
    return Receipt(
        strategy=_strategy(find, branch, is_compact=is_compact),
        complete=not by_index or number == find.shape.limit,
        exact=not by_index and not is_compact,
        matching=matching,
        matching_is_exact=is_exact,
        requested=find.shape.limit,
        returned=number,
        ef_search=None if find.plan.form is Form.EXACT else find.plan.ef_search,
        statements=statements,
        warnings=(*find.plan.warnings, *_warnings(find, found, branch)),
    )


def _strategy(find: Find, branch: Strategy, *, is_compact: bool) -> Strategy:
    if branch is Strategy.INDEX and find.plan.predicate:
        return Strategy.PARTIAL_INDEX
    return Strategy.COMPACT if is_compact and branch is Strategy.EXACT else branch


def _branch(find: Find, found: Sequence[Found]) -> Strategy:
    if find.plan.form is Form.EXACT:
        return Strategy.EXACT
    if found:
        return BRANCHES[found[0][2]]
    if find.plan.form is Form.COUNTED and not (find.shape.bounded or find.shape.offset):
        return Strategy.EXACT
    # Where the index finds too little, the statement goes on to compare every row; a distance bound or an offset may
    # still leave nothing of a full answer of the index.
    return Strategy.INDEX if find.shape.bounded or find.shape.offset else Strategy.COMPLETED


def _matching(find: Find, found: Sequence[Found], number: int, branch: Strategy) -> tuple[int, bool]:
    """How many rows match as far as the answer tells, and whether that is all of them."""
    seen = find.shape.offset + number if found else 0
    if branch is not Strategy.INDEX and number < find.shape.limit and (found or not find.shape.offset):
        return seen, True
    counted = found[0][3] if found and not find.shape.bounded else None
    if counted is None:
        return seen, False
    return max(seen, counted), branch is Strategy.EXACT


def _warnings(find: Find, found: Sequence[Found], branch: Strategy) -> list[str]:
    warnings = []
    if branch is Strategy.COMPLETED and find.plan.budget is not None and found:
        warnings.append(
            f"the index gave up after about {find.plan.budget:,} elements, too few of which pass the filter: the same statement "
            "compared every row that passes"
        )
    undefined = sum(1 for found_row in found if math.isnan(found_row[1]))
    if undefined:
        warnings.append(
            f"{undefined} of the matches have no distance, because their embedding is all zeros; they come last"
        )
    return warnings
