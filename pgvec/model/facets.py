"""What a search counts beside its matches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

__all__ = ["Facet", "FacetValue"]


class FacetValue(NamedTuple):
    """A value and the number of rows that have it.

    Attributes:
        value: The value; in a histogram where the bar begins. None for the rows that have none.
        rows: How many of the rows that match have it.
    """

    value: Any
    rows: int


@dataclass(frozen=True, slots=True)
class Facet(Sequence[FacetValue]):
    """The values of a column among the rows that match: the most frequent first, in a histogram the lowest.

    Attributes:
        name: What it is called.
        values: The values with their numbers of rows. Rows without a value come last, whatever the limit.
        other: How many more rows there are with values that are not listed; of lists, how many values in rows.
    """

    name: str
    values: tuple[FacetValue, ...]
    other: int = 0

    def counts(self) -> dict[Any, int]:
        """Return the numbers of rows by value."""
        return dict(self.values)

    @overload
    def __getitem__(self, index: int) -> FacetValue: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[FacetValue, ...]: ...
    def __getitem__(self, index: int | slice) -> FacetValue | tuple[FacetValue, ...]:
        return self.values[index]

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[FacetValue]:
        return iter(self.values)
