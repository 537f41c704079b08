"""An embedder that stands before another one."""

from __future__ import annotations

from pgvec.model import Embedder, InputKind

__all__ = ["EmbedderWrapper"]


class EmbedderWrapper:
    """Tells of itself what the embedder behind it is: vectors are those of the same model."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._embedder.name

    @property
    def revision(self) -> str:
        """Revision of the model."""
        return self._embedder.revision

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        return self._embedder.dimensions

    @property
    def kinds(self) -> frozenset[InputKind]:
        """What kinds of input the model takes."""
        return self._embedder.kinds
