"""Reranking by any cross-encoder of sentence-transformers, on this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pgvec.errors import ConfigurationError, RerankerUnavailableError
from pgvec.local_models import HeldModel, load_model
from pgvec.rerankers.checks import check_pairs, check_scores

__all__ = ["CrossEncoderReranker"]


class CrossEncoderReranker(HeldModel):
    """Scores texts with a cross-encoder from a folder or from the Hugging Face hub.

    The model is loaded when it is first needed, or by :meth:`load`. Weights are read only from safetensors, code that a model
    brings along is never run, and a folder never touches the network. Any number of threads may use one reranker: their batches
    take turns. A process that was forked after the first use must make its own.

    Scores are those of the model's own activation: between 0 and 1 for most, and any number for some. They compare texts for one
    query.

    Args:
        model: A folder that sentence-transformers wrote, or a name on the hub such as ``"cross-encoder/ms-marco-MiniLM-L6-v2"``.
        revision: What pins the weights: for a name on the hub the commit (40 hexadecimal digits, required); for a folder the
            SHA-256 of its weights, which is then verified, or None.
        name: Name of the model where the folder's is not its own.
        device: ``"cpu"``, ``"cuda:1"``, ``"mps"``, ...; None takes the best there is.
        batch_size: Pairs computed at once; None takes 16 on a CPU and 64 elsewhere.
        max_length: Tokens read of query and text together; the rest is cut off. None takes the model's own limit.
        cache_folder: Where downloads from the hub are kept; None takes the hub's own cache.
        local_files_only: Take a model from the cache and never ask the hub.

    Raises:
        MissingDependencyError: sentence-transformers is not installed.
        ConfigurationError: The folder is missing, holds only pickled weights, or asks for code of its own.
        InvalidOptionError: The revision pins nothing, or a number is out of range.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        revision: str | None = None,
        name: str | None = None,
        device: str | None = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
    ) -> None:
        super().__init__(
            "Reranking on this machine",
            RerankerUnavailableError,
            model,
            revision=revision,
            name=name,
            device=device,
            batch_size=batch_size,
            max_length=max_length,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
        )

    def _load(self, folder: Path) -> Any:
        _require_scores(folder)
        model = load_model(
            "CrossEncoder",
            folder,
            name=self._name,
            device=self._device,
            unavailable=RerankerUnavailableError,
            max_length=self._max_length,
        )
        if model.num_labels != 1:
            raise ConfigurationError(
                f"{self._name} gives {model.num_labels} numbers for a pair, not one score: take a model that was trained to "
                "rank, with one label"
            )
        return model

    def rerank(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Score each text.

        Raises:
            InvalidInputError: The query or a text is empty or no text.
            RerankerUnavailableError: The model could not be loaded or run.
            RerankerResponseError: The model computed something else than finite numbers.
        """
        query, checked = check_pairs(query, texts)
        if not checked:
            return np.empty(0)
        # The model itself puts pairs of like length into one batch.
        with self._holder.computing(f"{len(checked)} texts") as model:
            scores = model.predict(
                [(query, text) for text in checked],
                batch_size=self._batch_on(model),
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        return check_scores(scores, len(checked))


def _require_scores(folder: Path) -> None:
    """Refuse a model that was not trained to score pairs: the library would give it random weights for that."""
    if _json(folder / "config_sentence_transformers.json").get("model_type") == "CrossEncoder":
        return
    architectures = _json(folder / "config.json").get("architectures") or []
    if not any("ForSequenceClassification" in str(name) for name in architectures):
        raise ConfigurationError(
            f"{folder} holds no cross-encoder ({', '.join(map(str, architectures)) or 'no architecture named'}): its scores would "
            "be random. Take a model that was trained to rank pairs of texts"
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
