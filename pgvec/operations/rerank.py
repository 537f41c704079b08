"""The recipe of a search whose matches a reranker puts in order: the search itself, with the texts that the reranker reads.

The statement is over before the model is asked: whoever runs the recipe asks it, with what came back.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pgvec.model import Matches
from pgvec.statements.requests import Find, Request

__all__ = ["Pool", "in_order_of", "with_texts"]


@dataclass(frozen=True, slots=True)
class Pool:
    """The candidates of a reranker.

    Attributes:
        matches: What the search found.
        texts: For each match the values that the reranker reads.
    """

    matches: Matches[Any]
    texts: Sequence[tuple[Any, ...]]


def with_texts(
    recipe: Generator[Request, Any, Matches[Any]], columns: tuple[Any, ...]
) -> Generator[Request, Any, Pool]:
    """Run the recipe of a search so that its statement returns these columns of each match, too."""
    texts: list[tuple[Any, ...]] = []
    go_on: Callable[[Any], Request] = recipe.send
    value: Any = None
    while True:
        try:
            request = go_on(value)
        except StopIteration as stop:
            return Pool(stop.value, texts)
        go_on = recipe.send
        try:
            if not isinstance(request, Find):
                value = yield request
                continue
            found = yield replace(request, beside=columns)
        except Exception as exc:  # noqa: BLE001 - the recipe decides what becomes of it
            go_on, value = recipe.throw, exc
            continue
        # What only counts is no match.
        texts = [row[-1] for row in found if row[0] is not None]
        value = [row[:-1] for row in found]


def in_order_of(pool: Pool, scores: NDArray[np.float64], *, limit: int, offset: int) -> Matches[Any]:
    """Return a page of the candidates in the order of their scores, those that have none (NaN) last.

    Among equals the order of the search stays.
    """
    found = pool.matches
    order = np.argsort(-scores, kind="stable")[offset : offset + limit]
    matches = tuple(
        found[place]._replace(score=float(scores[place]), rank=rank)
        for rank, place in enumerate(order.tolist(), start=offset + 1)
    )
    inner, returned = found.receipt, len(matches)
    # Where the search returned all rows that match, there are no others that the model would have put first.
    is_everything = inner.complete and inner.returned < inner.requested
    receipt = replace(
        inner,
        complete=is_everything or returned == limit,
        exact=inner.exact and is_everything,
        requested=limit,
        returned=returned,
        warnings=(*inner.warnings, *_warnings(scores, limit=inner.requested)),
    )
    return replace(found, matches=matches, receipt=receipt)


def _warnings(scores: NDArray[np.float64], *, limit: int) -> list[str]:
    without = int(np.isnan(scores).sum())
    if not without:
        return []
    return [f"{without} of the {min(len(scores), limit)} candidates have no text for the reranker; they come last"]
