"""Embeddings of a collection by the default model, kept in a folder since they take minutes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pgvec import Embedder
from pgvec.model import InputRole

__all__ = ["embedded"]

_BLOCK = 512


def embedded(
    cache: Path, embedder: Embedder, name: str, texts: Sequence[str], role: InputRole = InputRole.DOCUMENT
) -> NDArray[np.float32]:
    """Return the vectors of texts, from the cache where the same texts were embedded by the same model before."""
    digest = hashlib.sha256("\0".join([embedder.name, embedder.revision, role.value, *texts]).encode()).hexdigest()[:16]
    path = cache / f"{name}-{role.value}-{digest}.npy"
    if path.is_file():
        return np.asarray(np.load(path), dtype=np.float32)
    blocks = []
    for start in range(0, len(texts), _BLOCK):
        sys.stderr.write(f"embedding {name}: {start:,} of {len(texts):,}\n")
        blocks.append(embedder.embed(texts[start : start + _BLOCK], role=role))
    vectors = np.concatenate(blocks).astype(np.float32)
    cache.mkdir(parents=True, exist_ok=True)
    np.save(path, vectors)
    return vectors
