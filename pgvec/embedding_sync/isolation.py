"""Embeds a batch so that one bad text does not take the others down with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pgvec.embedders import check_embeddings, check_texts
from pgvec.errors import ConfigurationError, EmbedderUnavailableError
from pgvec.model import Embedder, InputRole

__all__ = ["Failure", "Outcome", "embed_isolating"]

_MOST_CALLS = 64


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a text has no vector.

    Attributes:
        error: What the embedder raised.
        is_alone: Whether it was raised for this text alone.
    """

    error: Exception
    is_alone: bool

    @property
    def is_outage(self) -> bool:
        """Whether the model was out of reach, so that nothing is known of the text."""
        return isinstance(self.error, EmbedderUnavailableError | ConfigurationError)


Outcome: TypeAlias = "NDArray[np.float32] | Failure"


def embed_isolating(embedder: Embedder, texts: Sequence[str]) -> list[Outcome]:
    """Embed texts, and return a vector or a failure for each, in their order.

    When a batch fails, its halves are tried, and theirs, until the bad texts stand alone; when that takes too many calls, or
    the model is out of reach, the rest fails as it is.
    """
    outcomes: list[Outcome | None] = [None] * len(texts)
    pending = [(0, len(texts))] if texts else []
    calls = 0
    while pending:
        start, stop = pending.pop()
        calls += 1
        try:
            part = check_texts(texts[start:stop])
            vectors = check_embeddings(embedder.embed(part, role=InputRole.DOCUMENT), len(part), embedder.dimensions)
        except Exception as error:  # noqa: BLE001 - whatever it is becomes the error of the row
            failure = Failure(error, is_alone=stop - start == 1)
            rest = [(start, stop)]
            if failure.is_outage or calls >= _MOST_CALLS:
                rest, pending = [*rest, *pending], []
            elif not failure.is_alone:
                middle = (start + stop) // 2
                pending += [(middle, stop), (start, middle)]
                rest = []
            for first, last in rest:
                outcomes[first:last] = [failure] * (last - first)
        else:
            outcomes[start:stop] = list(vectors)
    return [outcome for outcome in outcomes if outcome is not None]
