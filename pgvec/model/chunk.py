"""What pgvec asks of whatever cuts documents into chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Chunk", "Chunker", "TokenCounter"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a document, with the place where it stands there: ``document[start:end] == text``.

    Attributes:
        text: The part.
        start: Offset of its first character in the document, in characters as ``str`` counts them.
        end: Offset behind its last character.
        position: Which part it is, counted from 0.
    """

    text: str
    start: int
    end: int
    position: int


@runtime_checkable
class Chunker(Protocol):
    """Cuts a document into chunks.

    Implementations are safe to call from several threads, give equal chunks for equal documents, and raise only errors from
    :mod:`pgvec.errors`.
    """

    def chunk(self, text: str) -> list[Chunk]:
        """Cut a document into chunks.

        Args:
            text: The document.

        Returns:
            Its chunks in the order of the document, none of them blank; no chunk for a blank document.

        Raises:
            InvalidInputError: It is no text, or holds what is no character.
        """


@runtime_checkable
class TokenCounter(Protocol):
    """Counts tokens as a model does; embedders of :mod:`pgvec.embedders` that run on this machine are such."""

    @property
    def max_length(self) -> int | None:
        """Tokens that the model reads of a text, or None where there is no limit."""

    def token_counts(self, inputs: Sequence[object]) -> NDArray[np.int64]:
        """Count the tokens of each text before anything is cut off, the model's own marks included."""
