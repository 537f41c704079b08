"""What a search in groups returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from pgvec.model.match import Match, Receipt

__all__ = ["Groups", "MatchGroup"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class MatchGroup(Generic[R]):
    """The best rows of one group.

    Attributes:
        key: What the rows have in common, by name: ``group.key.author_id`` or ``group.key[0]``.
        matches: Its best matches; their ``rank`` counts within the group.
        rank: Position of the group in the answer, from 1 (an ``offset`` counts).
    """

    key: Any
    matches: tuple[Match[R], ...]
    rank: int


@dataclass(frozen=True, slots=True)
class Groups(Sequence[MatchGroup[R]]):
    """The groups of one search, the one with the nearest row first, with a receipt that counts groups."""

    groups: tuple[MatchGroup[R], ...]
    receipt: Receipt

    @property
    def records(self) -> list[R]:
        """The records alone, group after group."""
        return [match.record for group in self.groups for match in group.matches]

    @overload
    def __getitem__(self, index: int) -> MatchGroup[R]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[MatchGroup[R], ...]: ...
    def __getitem__(self, index: int | slice) -> MatchGroup[R] | tuple[MatchGroup[R], ...]:
        return self.groups[index]

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[MatchGroup[R]]:
        return iter(self.groups)
