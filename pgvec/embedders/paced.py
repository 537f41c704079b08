"""An embedder that takes its time: so many texts a second and no more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pgvec.embedders.wrapper import EmbedderWrapper
from pgvec.errors import InvalidOptionError
from pgvec.model import Embedder, InputRole

__all__ = ["PacedEmbedder"]


class PacedEmbedder(EmbedderWrapper):
    """Embeds with another embedder, at a limited rate over all threads that share it.

    Args:
        embedder: What embeds.
        texts_per_second: How many inputs a second it may be given.
        sleep: Waits; for tests.

    Raises:
        InvalidOptionError: The rate is not positive.
    """

    def __init__(
        self, embedder: Embedder, texts_per_second: float, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        if not texts_per_second > 0:
            raise InvalidOptionError(f"texts_per_second has to be positive, not {texts_per_second}")
        super().__init__(embedder)
        self._seconds_of_text = 1.0 / texts_per_second
        self._sleep = sleep
        self._free_at = 0.0
        self._lock = threading.Lock()

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        """Wait for the turn of these inputs, then embed them."""
        with self._lock:
            now = time.monotonic()
            begins = max(now, self._free_at)
            self._free_at = begins + len(inputs) * self._seconds_of_text
        if begins > now:
            self._sleep(begins - now)
        return self._embedder.embed(inputs, role=role)
