"""What a search returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar, overload

from pgvec.model.facets import Facet

__all__ = ["Match", "Matches", "Receipt", "Strategy"]

R = TypeVar("R")


class Strategy(StrEnum):
    """How a search was answered."""

    INDEX = "index"
    PARTIAL_INDEX = "partial_index"
    COMPACT = "compact"
    EXACT = "exact"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a search was answered, and what is known of the answer.

    Attributes:
        strategy: ``index`` (approximate, by a vector index), ``partial_index`` (the same, by an index whose predicate the
            filter implies), ``compact`` (every row that passes was compared by a smaller form of its vector, and the nearest of
            them by the vector itself), ``exact`` (every row that passes the filter was compared), or ``completed`` (the index came
            back short, so the same statement answered exactly instead).
        complete: True only when it is known that ``returned == min(requested, rows that match)``.
        exact: True only when the matches are known to be the true nearest.
        matching: Rows that match, as far as the statement learned.
        matching_is_exact: Whether ``matching`` counts all of them; otherwise it is a lower bound.
        requested: The limit that was asked for.
        returned: How many matches came back.
        ef_search: The ``hnsw.ef_search`` that the statement asked for (a larger one that was set already is kept unless the
            caller named one), or None where it left the server's own.
        statements: How many SQL statements were sent.
        warnings: What a careful reader should know, in sentences.
    """

    strategy: Strategy
    complete: bool
    exact: bool
    matching: int
    matching_is_exact: bool
    requested: int
    returned: int
    ef_search: int | None = None
    statements: int = 1
    warnings: tuple[str, ...] = ()


class Match(NamedTuple, Generic[R]):
    """One result of a search.

    Attributes:
        record: The record, or the row where columns were named.
        distance: What the operator returned; smaller is nearer. For ``inner_product`` it is the negative product. NaN where no
            vector was compared.
        similarity: ``1 - distance`` for the cosine distance, None for the others.
        score: BM25, or the result of fusion, re-ranking or ``score=``; larger is better. None for a search by distance alone, NaN
            where the expression is undefined.
        rank: Position in the answer, from 1 (an ``offset`` counts).
    """

    record: R
    distance: float
    similarity: float | None
    score: float | None
    rank: int


@dataclass(frozen=True, slots=True)
class Matches(Sequence[Match[R]]):
    """The matches of one search, nearest first, with a receipt.

    Attributes:
        matches: The matches.
        receipt: How they were found.
        total: How many rows match in all, where facets were asked for.
        facets: What was counted of those rows, by name.
    """

    matches: tuple[Match[R], ...]
    receipt: Receipt
    total: int | None = None
    facets: Mapping[str, Facet] = field(default_factory=dict, hash=False)

    @property
    def records(self) -> list[R]:
        """The records alone, nearest first."""
        return [match.record for match in self.matches]

    @overload
    def __getitem__(self, index: int) -> Match[R]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Match[R], ...]: ...
    def __getitem__(self, index: int | slice) -> Match[R] | tuple[Match[R], ...]:
        return self.matches[index]

    def __len__(self) -> int:
        return len(self.matches)

    def __iter__(self) -> Iterator[Match[R]]:
        return iter(self.matches)
