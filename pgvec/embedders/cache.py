"""A cache in front of any embedder: a text that was embedded before costs no second call."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pgvec.embedders.checks import check_embeddings, check_role, check_texts
from pgvec.embedders.wrapper import EmbedderWrapper
from pgvec.errors import ConfigurationError, InvalidOptionError
from pgvec.model import Embedder, InputKind, InputRole

__all__ = ["CachedEmbedder"]


class CachedEmbedder(EmbedderWrapper):
    """Remembers the vectors of texts by their SHA-256, in memory, the least recently used forgotten first.

    It pays where texts repeat, or where work is done again: after a failed transaction, say. A vector takes four bytes for
    each dimension, so 100,000 of 384 dimensions take 150 MB. Safe to use from several threads.

    Args:
        embedder: Any embedder of texts; name, revision, dimensions and kinds are its own.
        most_texts: How many texts to remember.

    Raises:
        InvalidOptionError: ``most_texts`` is less than 1.
    """

    def __init__(self, embedder: Embedder, *, most_texts: int = 10_000) -> None:
        if most_texts < 1:
            raise InvalidOptionError(f"most_texts is {most_texts}; it must be at least 1")
        super().__init__(embedder)
        self._most_texts = most_texts
        self._known: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        """Embed texts; those that are known, and repetitions, are not sent to the model.

        Raises:
            ConfigurationError: The model takes something else than texts.
        """
        if InputKind.TEXT not in self.kinds:
            raise ConfigurationError(f"{self.name} takes no text, and only texts are cached")
        role = check_role(role)
        texts = check_texts(inputs)
        keys = [hashlib.sha256(f"{role}\n{text}".encode()).digest() for text in texts]
        with self._lock:
            found = {key: self._known[key] for key in keys if key in self._known}
            for key in found:
                self._known.move_to_end(key)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            vectors = self._embedder.embed(list(missing.values()), role=role)
            checked = check_embeddings(vectors, len(missing), self.dimensions)
            found |= dict(zip(missing, checked, strict=True))
        self._remember({key: found[key] for key in missing}, hits=len(keys) - len(missing))
        return np.stack([found[key] for key in keys]) if keys else np.empty((0, self.dimensions), dtype=np.float32)

    def _remember(self, fresh: dict[bytes, NDArray[np.float32]], *, hits: int) -> None:
        with self._lock:
            self.hits += hits
            self.misses += len(fresh)
            for key, vector in fresh.items():
                # A copy, so that a row does not keep its whole batch in memory.
                self._known[key] = vector.copy()
            while len(self._known) > self._most_texts:
                self._known.popitem(last=False)
