"""What pgvec asks of a model that reorders matches, and how a search names it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AsyncReranker", "Rerank", "Reranker", "Reranking"]


@runtime_checkable
class Reranker(Protocol):
    """Scores texts by how well they answer a query.

    Implementations are safe to call from several threads and raise only errors from :mod:`pgvec.errors`.
    """

    @property
    def name(self) -> str:
        """Name of the model, as its publisher writes it."""

    def rerank(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Score each text.

        Args:
            query: What is looked for, not empty.
            texts: What was found, none of them empty.

        Returns:
            One finite number for each text, in their order; larger is better.

        Raises:
            InvalidInputError: The model refuses the query or a text.
            RerankerUnavailableError: The model cannot be reached or loaded now.
            RerankerResponseError: It answered with something else than one finite number for each text.
        """


@runtime_checkable
class AsyncReranker(Protocol):
    """A reranker whose ``rerank`` is a coroutine, for :class:`pgvec.AsyncRepository`."""

    @property
    def name(self) -> str:
        """Name of the model, as its publisher writes it."""

    async def rerank(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Score each text, as :meth:`Reranker.rerank` does."""


@dataclass(frozen=True, slots=True)
class Rerank:
    """A reranker with what it reads.

    Attributes:
        reranker: The model.
        columns: What it reads of a record: columns, names or expressions, whose texts are put together. Empty for what the
            embedding is made from (``Embedding(source=...)``).
        query: What it looks for, where that is not the text of the search.
        separator: What stands between the texts of two columns.
    """

    reranker: Reranker | AsyncReranker
    columns: Any = ()
    query: str | None = None
    separator: str = "\n"


Reranking: TypeAlias = Rerank | Reranker | AsyncReranker
"""What a search takes as ``rerank=``."""
