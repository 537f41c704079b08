"""What pgvec asks of an embedding model."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Embedder", "InputKind", "InputRole"]


class InputKind(StrEnum):
    """What an embedder takes."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"


class InputRole(StrEnum):
    """What the inputs are for: many models embed a question differently from a text that may answer it."""

    QUERY = "query"
    DOCUMENT = "document"


@runtime_checkable
class Embedder(Protocol):
    """Turns texts or media into vectors.

    Implementations are safe to call from several threads and raise only errors from :mod:`pgvec.errors`.
    """

    @property
    def name(self) -> str:
        """Name of the model, as its publisher writes it."""

    @property
    def revision(self) -> str:
        """Revision of the weights: a commit or a checksum, so that equal names with other weights differ."""

    @property
    def dimensions(self) -> int:
        """Length of every vector."""

    @property
    def kinds(self) -> frozenset[InputKind]:
        """What kinds of input it takes."""

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        """Embed each input.

        Args:
            inputs: Texts (or media, as ``kinds`` says), not empty.
            role: Whether the inputs are questions or documents.

        Returns:
            Finite float32 values of shape ``(len(inputs), dimensions)``, in the order of the inputs.

        Raises:
            InvalidInputError: An input is empty or of a kind that the model does not take.
            EmbedderUnavailableError: The model cannot be reached now.
            EmbedderResponseError: It answered with something else than one finite vector for each input.
        """
