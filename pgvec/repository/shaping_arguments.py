"""Arguments that order a search anew, group it, or count beside it, checked once for both repositories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from pgvec.errors import InvalidOptionError
from pgvec.facets import FacetRequest, HistogramRequest
from pgvec.model import Distance, Target
from pgvec.operations.search import Question
from pgvec.orm.rules import whole_number
from pgvec.repository import arguments
from pgvec.repository.arguments import SearchOptions
from pgvec.scores import sql_type, used_parts
from pgvec.statements.facets import facet_count
from pgvec.statements.named_values import named_value, require_own
from pgvec.statements.shaping import FacetCount, RowGroups, Shaping

__all__ = [
    "LEAST_CANDIDATES",
    "NOTHING",
    "ShapingOptions",
    "candidates_of",
    "groups_question",
    "shaped_question",
    "shaping_of",
]

LEAST_CANDIDATES = 100
_MOST_CANDIDATES = 10_000
_MOST_FACETS = 20
_MOST_KEYS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapingOptions:
    """The arguments as the caller gave them."""

    score: object = None
    order_by: object = None
    candidates: int | None = None
    facets: object = None

    @property
    def asks(self) -> bool:
        """Whether there is anything to do beside the search itself."""
        return self.score is not None or self.order_by is not None or self.facets is not None


NOTHING = ShapingOptions()


def shaped_question(target: Target, query: object, options: SearchOptions, shaping: ShapingOptions) -> Question:
    """Check the arguments of a search whose query is a vector or a record."""
    if not shaping.asks and shaping.candidates is None:
        return arguments.question(target, query, options)
    if options.after is not None and (shaping.score is not None or shaping.order_by is not None):
        raise InvalidOptionError(
            "after= goes on by distance, which is not the order of score= and order_by=: use offset="
        )
    parts = {"distance"} | ({"similarity"} if target.distance is Distance.COSINE else set())
    shaped = shaping_of(target, shaping, options.limit, options.offset, parts)
    pool = candidates_of(shaping, shaped)
    question = arguments.question(target, query, replace(options, limit=pool, offset=0))
    return replace(question, shaping=shaped)


def shaping_of(target: Target, given: ShapingOptions, limit: int, offset: int, parts: set[str]) -> Shaping:
    """Check what is made of the candidates of a search.

    Args:
        target: What is searched.
        given: The arguments.
        limit: Most rows to return.
        offset: Rows to pass over first.
        parts: Names of the search's own values that a score may be made of.
    """
    if given.score is not None and given.order_by is not None:
        raise InvalidOptionError("score= and order_by= both say what comes first: give one of them")
    most = _MOST_CANDIDATES if given.score is not None or given.order_by is not None else arguments.LARGEST_LIMIT
    return Shaping(
        limit=whole_number(limit, "limit", 1, most),
        offset=whole_number(offset, "offset", 0, most),
        score=None if given.score is None else _score(target, given.score, parts),
        order_by=() if given.order_by is None else _order(target, given.order_by, parts),
        facets=None if given.facets is None else _facets(target, given.facets),
    )


def candidates_of(given: ShapingOptions, shaped: Shaping) -> int:
    """Return how many candidates there are."""
    wanted = shaped.limit + shaped.offset
    chooses = given.score is not None or given.order_by is not None
    if given.candidates is None:
        return max(LEAST_CANDIDATES, wanted) if given.score is not None else wanted
    if not chooses:
        raise InvalidOptionError("candidates= belongs to score=, order_by= and diversity=, which choose among them")
    return whole_number(given.candidates, "candidates", wanted, max(_MOST_CANDIDATES, wanted))


def groups_question(
    target: Target,
    query: object,
    options: SearchOptions,
    *,
    group_by: object,
    per_group: int,
    candidates: int | None,
) -> Question:
    """Check the arguments of a search in groups."""
    groups = _groups(target, group_by, per_group)
    shaped = Shaping(
        limit=whole_number(options.limit, "limit", 1, 1_000),
        offset=whole_number(options.offset, "offset", 0, 10_000),
        groups=groups,
    )
    wanted = shaped.limit + shaped.offset
    # Where rows are spread over groups as dice fall, some groups come twice before others come at all.
    pool = max(LEAST_CANDIDATES, 2 * wanted * groups.per_group) if candidates is None else candidates
    if candidates is None:
        pool = min(pool, max(_MOST_CANDIDATES, wanted))
    pool = whole_number(pool, "candidates", wanted, max(_MOST_CANDIDATES, wanted))
    question = arguments.question(target, query, replace(options, limit=pool, offset=0))
    return replace(question, shaping=shaped)


def _score(target: Target, given: object, parts: set[str]) -> sa.ColumnElement[Any]:
    element: Any = given.__clause_element__() if hasattr(given, "__clause_element__") else given
    if not isinstance(element, sa.ColumnElement):
        raise InvalidOptionError(f"score= takes an expression such as similarity() * boost(...), not {given!r:.80}")
    if not isinstance(sql_type(element), sa.Integer | sa.Numeric | sa.Float | sa.types.NullType):
        raise InvalidOptionError(
            f"score= takes an expression that is a number, not {element.type!r}; boost(condition, 2) makes a number of a condition"
        )
    require_own(target, element, "score")
    _check_parts(element, parts, "score")
    return element


def _check_parts(element: sa.ColumnElement[Any], parts: set[str], option: str) -> None:
    missing = sorted(used_parts(element) - parts)
    if missing:
        raise InvalidOptionError(
            f"{option}= uses {missing[0]}(), which this search does not have; it has: {', '.join(sorted(parts))}"
        )


def _order(target: Target, given: object, parts: set[str]) -> tuple[sa.ColumnElement[Any], ...]:
    items = given if isinstance(given, tuple | list) else (given,)
    if not items:
        raise InvalidOptionError("order_by= is empty: name at least one column")
    return tuple(_order_item(target, item, parts) for item in items)


def _order_item(target: Target, item: object, parts: set[str]) -> sa.ColumnElement[Any]:
    if isinstance(item, str):
        named = named_value(target, item.removeprefix("-"), "order_by").element
        return (named.desc() if item.startswith("-") else named.asc()).nulls_last()
    element = named_value(target, item, "order_by").element
    _check_parts(element, parts, "order_by")
    return element


def _facets(target: Target, given: object) -> tuple[FacetCount, ...]:
    items = given if isinstance(given, tuple | list) else (given,)
    requests = [item if isinstance(item, FacetRequest | HistogramRequest) else FacetRequest(item) for item in items]
    if len(requests) > _MOST_FACETS:
        raise InvalidOptionError(f"{len(requests)} facets are more than {_MOST_FACETS}: ask for fewer at once")
    counts = tuple(facet_count(target, request) for request in requests)
    names = [count.name for count in counts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidOptionError(f"two of the facets are called {twice!r:.60}: give one of them another name=")
    return counts


def _groups(target: Target, given: object, per_group: int) -> RowGroups:
    items: Sequence[Any] = given if isinstance(given, tuple | list) else (given,)
    if not 0 < len(items) <= _MOST_KEYS:
        raise InvalidOptionError(f"group_by= takes between one and {_MOST_KEYS} columns, not {len(items)}")
    values = [named_value(target, item, "group_by") for item in items]
    for value in values:
        if used_parts(value.element):
            raise InvalidOptionError("group_by= takes columns, not the search's own distance")
    return RowGroups(
        keys=tuple(value.element for value in values),
        names=tuple(value.name or f"key_{n}" for n, value in enumerate(values, start=1)),
        nullable=tuple(value.nullable for value in values),
        per_group=whole_number(per_group, "per_group", 1, 1_000),
    )
