"""What is made of the rows that a search finds: another order, groups, and what is counted beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

__all__ = ["EXTRA_FACET", "FacetCount", "Items", "RowGroups", "Shaping"]

EXTRA_FACET = 3
"""How many columns precede the values of facets: which facet, rows with the value, and the sum of those of the facet."""


class Items(StrEnum):
    """How many values a row has for a facet."""

    ONE = "one"
    ARRAY = "array"
    """The elements of a Postgres array."""
    JSON = "json"
    """A jsonb value, or the elements of a jsonb array."""


@dataclass(frozen=True, slots=True, eq=False)
class FacetCount:
    """A facet to count.

    Attributes:
        name: What it is called.
        value: The value of a row, or the array that holds its values.
        type: Type of a value.
        items: How many values a row has.
        limit: Most values to return.
        is_histogram: Whether the lowest values come first, not the most frequent.
    """

    name: str
    value: sa.ColumnElement[Any]
    type: Any
    items: Items
    limit: int
    is_histogram: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RowGroups:
    """How rows are grouped.

    Attributes:
        keys: What the rows of a group have in common.
        names: What the keys are called.
        nullable: Which of them may be NULL; rows without a value are a group, as GROUP BY has it.
        per_group: Most rows to return of a group.
    """

    keys: tuple[sa.ColumnElement[Any], ...]
    names: tuple[str, ...]
    nullable: tuple[bool, ...]
    per_group: int


@dataclass(frozen=True, slots=True, eq=False)
class Shaping:
    """What is made of the candidates: the rows that the search itself finds, as many as its shape says.

    Attributes:
        limit: Most rows, or groups, to return.
        offset: Rows, or groups, to pass over first.
        score: By what the candidates are ordered, the greatest first, or None.
        order_by: By what they are ordered instead; empty for the search's own order.
        facets: What to count of the rows that match; None where also their number is not asked for.
        groups: How rows are grouped, or None.
    """

    limit: int
    offset: int = 0
    score: sa.ColumnElement[Any] | None = None
    order_by: tuple[sa.ColumnElement[Any], ...] = ()
    facets: tuple[FacetCount, ...] | None = None
    groups: RowGroups | None = None

    @property
    def form(self) -> tuple[Any, ...]:
        """What decides the text of the statement, beside the structure of the expressions."""
        facets = [(facet.items, facet.limit, facet.is_histogram) for facet in self.facets or ()]
        groups = None if self.groups is None else (self.groups.nullable, self.groups.per_group)
        asked = (self.score is None, len(self.order_by), self.facets is None)
        return (self.limit, self.offset, *asked, tuple(facets), groups)

    def expressions(self) -> Iterator[sa.ColumnElement[Any]]:
        """Yield the caller's expressions."""
        if self.score is not None:
            yield self.score
        yield from self.order_by
        for facet in self.facets or ():
            yield facet.value
        if self.groups is not None:
            yield from self.groups.keys

    def extra_types(self) -> list[Any]:
        """Return the types of the columns that follow the search's own, None for plain numbers."""
        if self.groups is not None:
            return [None, *(key.type for key in self.groups.keys)]
        return [] if self.facets is None else [*[None] * EXTRA_FACET, *(facet.type for facet in self.facets)]
