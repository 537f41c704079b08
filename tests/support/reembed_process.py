"""A re-embedding in a process of its own, which ends itself at a named step."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from support.content_embedder import ContentEmbedder, expected_vector

from pgvec.embedding_sync import Reembedding, ReembedOptions, ReembedProgress

__all__ = ["STEPS", "TILES", "NarrowEmbedder", "WideEmbedder", "vector_of"]

STEPS = ("adding the column", "noting the rows", "embedding", "building article_embedding_wide", "checking", "ready")
"""Where it can be told to end: each step is told as it begins."""


TILES = int(os.environ.get("PGVEC_REEMBED_TILES", "1"))
"""How often the eight numbers of a text are repeated: 48 times are 384 dimensions, and 768 of the other model."""


def vector_of(text: str, model: str) -> NDArray[np.float32]:
    """Return the vector of a text: that of the old model, or that of the other, which is twice as long."""
    vector = np.tile(expected_vector(text, model), TILES)
    return np.concatenate([vector, vector[::-1]]) if model == "wide" else vector


class NarrowEmbedder(ContentEmbedder):
    """The old model."""

    def __init__(self, model: str = "content", **given: Any) -> None:
        super().__init__(model, **given)
        self.dimensions = vector_of("", model).size

    def embed(self, inputs: Any, *, role: Any = "document") -> Any:
        super().embed(inputs, role=role)
        return np.stack([vector_of(str(text), self.name) for text in inputs])


class WideEmbedder(NarrowEmbedder):
    """The other model: twice as many dimensions."""

    def __init__(self, **given: Any) -> None:
        super().__init__("wide", **given)


def main(url: str, step: str) -> None:
    """Run it, and end at the step, halfway where the step has a length."""

    def progress(found: ReembedProgress) -> None:
        if found.step == step and (not found.total or found.done * 2 >= found.total or step != "embedding"):
            os.kill(os.getpid(), signal.SIGKILL)

    options = ReembedOptions(batch_size=16, least_recall=0.5, lease_seconds=1)
    Reembedding(sa.create_engine(url), "article", "embedding").run(
        "wide", WideEmbedder(), options=options, progress=progress
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
