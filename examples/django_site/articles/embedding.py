"""An embedder without a model, for tests and for machines without torch: texts with the same words are near."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pgvec.model import InputKind, InputRole


class WordEmbedder:
    """Adds up a fixed random direction for each word; words that begin alike share most of it."""

    name = "words"
    revision = "1"
    dimensions = 384
    kinds = frozenset({InputKind.TEXT})

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        """Embed each text."""
        return np.stack([self._embed(str(text)) for text in inputs])

    def _embed(self, text: str) -> NDArray[np.float32]:
        stems = {word[:4] for word in re.findall(r"\w{3,}", text.lower())} or {""}
        return np.sum([self._direction(stem) for stem in sorted(stems)], axis=0, dtype=np.float32)

    def _direction(self, stem: str) -> NDArray[np.float32]:
        return np.random.default_rng(zlib.crc32(stem.encode())).standard_normal(self.dimensions, dtype=np.float32)


word_embedder = WordEmbedder()
