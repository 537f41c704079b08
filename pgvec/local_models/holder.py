"""Keeps one loaded model, and lets its callers compute one after the other."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pgvec.errors import ConfigurationError, PgvecError
from pgvec.local_models.model_source import ModelSource

__all__ = ["ModelHolder"]


class ModelHolder:
    """A model that is loaded when it is first needed.

    Args:
        name: What the model is called, for messages.
        source: Where its files come from.
        load: Loads it from the folder of the files.
        unavailable: The error for a model that cannot compute.

    Attributes:
        lock: Held by whoever uses the model; it is not reentrant.
    """

    def __init__(
        self, name: str, source: ModelSource, load: Callable[[Path], Any], unavailable: type[PgvecError]
    ) -> None:
        self._name = name
        self._source = source
        self._load = load
        self._unavailable = unavailable
        self.lock = threading.Lock()
        self._model: Any = None
        self._used_in: int | None = None

    def get(self) -> Any:
        """Return the model, loading it where nobody has.

        Raises:
            ConfigurationError: The weights have another checksum than the revision says.
            PgvecError: Of the class ``unavailable``, where the model could not be fetched or loaded.
        """
        with self.lock:
            if self._model is None:
                self._model = self._load(self._source.fetch())
            return self._model

    @contextmanager
    def computing(self, what: str) -> Iterator[Any]:
        """Yield the model to compute with; ``what`` says on what, for messages.

        Raises:
            ConfigurationError: The process was forked after the model had computed.
            PgvecError: Of the class ``unavailable``, where the model fails.
        """
        model = self.get()
        with self.lock:
            self._refuse_after_fork()
            try:
                yield model
            except RuntimeError as exc:
                raise self._unavailable(
                    f"{self._name} failed on {what}: {exc} If memory ran out, pass a smaller batch_size or max_length."
                ) from exc

    def _refuse_after_fork(self) -> None:
        if self._used_in is None:
            self._used_in = os.getpid()
        elif self._used_in != os.getpid():
            raise ConfigurationError(
                f"{self._name} was used before this process was forked, and torch would wait forever for threads that stayed "
                "behind. Start processes with the method 'spawn', or use the model first in the child."
            )
