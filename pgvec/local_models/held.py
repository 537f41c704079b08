"""What embedders and rerankers of this machine share: a model that is found by name, pinned, and loaded when it is needed."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

from pgvec.errors import InvalidOptionError, PgvecError
from pgvec.local_models.holder import ModelHolder
from pgvec.local_models.loading import require_library
from pgvec.local_models.model_source import find_model

__all__ = ["HeldModel"]

# Measured on CPUs: larger batches spill out of the caches and pad more. Accelerators need them to be busy.
_CPU_BATCH = 16
_ACCELERATOR_BATCH = 64


class HeldModel(ABC):
    """A model of sentence-transformers, of which subclasses say how it is loaded.

    Args:
        task: What the model is for, for the message where the library is missing.
        unavailable: The error for a model that cannot be fetched, loaded or run.
        model: A folder, or a name on the hub.
        revision: What pins the weights, or None.
        name: Name of the model where the folder's is not its own.
        device: Where it computes; None takes the best there is.
        batch_size: How many inputs are computed at once; None goes by the device.
        max_length: Tokens that are read, or None for the model's own limit.
        cache_folder: Where downloads are kept; None takes the hub's own cache.
        local_files_only: Whether never to ask the hub.

    Raises:
        MissingDependencyError: sentence-transformers is not installed.
        ConfigurationError: The folder is missing, holds only pickled weights, or asks for code of its own.
        InvalidOptionError: The revision pins nothing, or a number is out of range.
    """

    def __init__(
        self,
        task: str,
        unavailable: type[PgvecError],
        model: str | os.PathLike[str],
        *,
        revision: str | None,
        name: str | None,
        device: str | None,
        batch_size: int | None,
        max_length: int | None,
        cache_folder: str | os.PathLike[str] | None,
        local_files_only: bool,
    ) -> None:
        require_library(task)
        for option, value in (("batch_size", batch_size), ("max_length", max_length)):
            if value is not None and value < 1:
                raise InvalidOptionError(f"{option} is {value}; it must be at least 1.")
        self._source = find_model(
            model,
            revision=revision,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
            unavailable=unavailable,
        )
        self._name = name or self._source.name
        self._device = device
        self._batch_size = batch_size
        self._max_length = max_length
        self._holder = ModelHolder(self._name, self._source, self._load, unavailable)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name}>"

    @property
    def name(self) -> str:
        """Name of the model on the hub, or of its folder."""
        return self._name

    @property
    def revision(self) -> str:
        """The commit on the hub, or the SHA-256 of the weights in the folder."""
        return self._source.revision

    def load(self) -> Self:
        """Load the model now, for instance before a service takes requests, and return itself.

        Raises:
            EmbedderUnavailableError: The model of an embedder could not be fetched or loaded.
            RerankerUnavailableError: The same of a reranker.
            ConfigurationError: The weights have another checksum than the revision says, or do not fit what they are for.
        """
        self._holder.get()
        return self

    @abstractmethod
    def _load(self, folder: Path) -> Any:
        """Load the model from the folder of its files."""

    def _batch_on(self, model: Any) -> int:
        """Return how many inputs are computed at once."""
        return self._batch_size or (_CPU_BATCH if model.device.type == "cpu" else _ACCELERATOR_BATCH)
