"""A re-embedding in a process of its own, which ends itself at a named step."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import numpy as np
import sqlalchemy as sa
from support.content_embedder import ContentEmbedder

from pgvec.embedding_sync import Reembedding, ReembedOptions, ReembedProgress

__all__ = ["STEPS", "WideEmbedder"]

STEPS = ("adding the column", "noting the rows", "embedding", "building article_embedding_wide", "checking", "ready")
"""Where it can be told to end: each step is told as it begins."""


class WideEmbedder(ContentEmbedder):
    """The other model: twice as many dimensions, made of the same digest."""

    def __init__(self, **given: Any) -> None:
        super().__init__("wide", **given)
        self.dimensions = 16

    def embed(self, inputs: Any, *, role: Any = "document") -> Any:
        narrow = super().embed(inputs, role=role)
        return np.hstack([narrow, narrow[:, ::-1]])


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
