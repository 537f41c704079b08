"""An embedder whose vectors can be checked: each is computed from the names of the model and the text alone."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pgvec.model import InputKind, InputRole

DIMENSIONS = 8


def expected_vector(text: str, model: str = "content") -> NDArray[np.float32]:
    """Return the vector of a text: small whole numbers, which every float type stores exactly."""
    digest = hashlib.sha256(f"{model}\n{text}".encode()).digest()
    return np.frombuffer(digest[:DIMENSIONS], dtype=np.uint8).astype(np.float32) + 1


class ContentEmbedder:
    """Embeds by hashing, and remembers what it was asked; ``before`` may fail or wait."""

    def __init__(
        self, model: str = "content", *, before: Callable[[list[str]], None] | None = None, revision: str = "1"
    ) -> None:
        self.name = model
        self.revision = revision
        self.dimensions = DIMENSIONS
        self.kinds = frozenset({InputKind.TEXT})
        self.calls: list[list[str]] = []
        self._before = before
        self._lock = threading.Lock()

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        assert role in InputRole
        texts = [str(text) for text in inputs]
        with self._lock:
            self.calls.append(texts)
        if self._before is not None:
            self._before(texts)
        return np.stack([expected_vector(text, self.name) for text in texts])

    @property
    def texts(self) -> Counter[str]:
        """How often each text was embedded."""
        return Counter(text for call in self.calls for text in call)
