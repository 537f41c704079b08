"""What a recommendation returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar, overload

from pgvec.model import Receipt

__all__ = ["Origin", "Reason", "Recommendation", "Recommendations", "SimilarUser"]

R = TypeVar("R")


class Origin(StrEnum):
    """How a row came into the answer."""

    TASTE = "taste"
    """It is near one of the tastes."""
    EXPLORED = "explored"
    """It is too, but chance gave it its place."""
    POPULAR = "popular"
    """Others like it; nothing is known of a taste yet."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row was recommended: the liked item that is most similar to it.

    Attributes:
        item: Key of that item.
        kind: What last happened to it, such as ``"play"``; ``"given"`` for an item that the caller named.
        label: What it is called, where the recommender was given ``label``.
        similarity: Cosine similarity of both.
    """

    item: Any
    kind: str
    label: str | None
    similarity: float

    def __str__(self) -> str:
        return f"because of {self.label or self.item} ({self.kind})"


class Recommendation(NamedTuple, Generic[R]):
    """One row that was recommended.

    Attributes:
        record: The record, or the row where columns were named.
        score: For a taste: the similarity to it, less what ``avoid`` takes off. For a popular row: how popular.
        rank: Position in the answer, from 1.
        origin: How it came into the answer.
        taste: Number of the taste that it belongs to, from 1, in the order in which they were found; None for a popular row.
        share: Weight of that taste among all; 0 for a popular row.
        reason: Why; None for a popular row.
    """

    record: R
    score: float
    rank: int
    origin: Origin
    taste: int | None
    share: float
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Recommendations(Sequence[Recommendation[R]]):
    """The rows of one recommendation in the order in which to show them, with a receipt.

    Attributes:
        recommendations: The rows.
        receipt: How they were found.
    """

    recommendations: tuple[Recommendation[R], ...]
    receipt: Receipt

    @property
    def records(self) -> list[R]:
        """The records alone."""
        return [found.record for found in self.recommendations]

    @overload
    def __getitem__(self, index: int) -> Recommendation[R]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Recommendation[R], ...]: ...
    def __getitem__(self, index: int | slice) -> Recommendation[R] | tuple[Recommendation[R], ...]:
        return self.recommendations[index]

    def __len__(self) -> int:
        return len(self.recommendations)

    def __iter__(self) -> Iterator[Recommendation[R]]:
        return iter(self.recommendations)


class SimilarUser(NamedTuple):
    """A user who likes the same items.

    Attributes:
        user: Who it is.
        similarity: Items that both like, divided by the geometric mean of how many each likes: 0 to 1.
        shared: How many items both like.
    """

    user: Any
    similarity: float
    shared: int
