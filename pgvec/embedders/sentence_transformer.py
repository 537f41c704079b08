"""Text embeddings by any model of sentence-transformers, on this machine."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pgvec.embedders.batches import split
from pgvec.embedders.checks import check_embeddings, check_role, check_texts
from pgvec.errors import ConfigurationError, EmbedderUnavailableError
from pgvec.local_models.held import HeldModel
from pgvec.local_models.loading import load_model, shorten
from pgvec.model import InputKind, InputRole

__all__ = ["SentenceTransformerEmbedder"]

_PROMPT_NAMES = {InputRole.QUERY: ("query",), InputRole.DOCUMENT: ("document", "passage", "corpus")}
_COUNT_BATCH = 1_000
_NO_LIMIT = 2**31


class SentenceTransformerEmbedder(HeldModel):
    """Embeds texts with a model from a folder or from the Hugging Face hub.

    The model is loaded when it is first needed, or by :meth:`load`. Weights are read only from safetensors, code that a model
    brings along is never run, and a folder never touches the network. Any number of threads may use one embedder: batches of
    their texts take turns. A process that was forked after the first use must make its own.

    Args:
        model: A folder that sentence-transformers wrote, or a name on the hub such as ``"intfloat/e5-small-v2"``.
        revision: What pins the weights: for a name on the hub the commit (40 hexadecimal digits, required); for a folder the
            SHA-256 of its weights, which is then verified, or None.
        name: Name of the model where the folder's is not its own.
        device: ``"cpu"``, ``"cuda:1"``, ``"mps"``, ...; None takes the best there is.
        query_prompt: Text put before each query; None takes the model's own prompt ``query``, ``""`` none.
        document_prompt: Text put before each document; None takes the model's own ``document``, ``passage`` or ``corpus``.
        normalize: Give every vector the length 1.
        batch_size: Texts computed at once; None takes 16 on a CPU and 64 elsewhere.
        max_length: Tokens read of a text, if fewer than the model can; the rest is cut off (see :meth:`count_truncated`).
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
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        normalize: bool = True,
        batch_size: int | None = None,
        max_length: int | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
    ) -> None:
        super().__init__(
            "Embedding on this machine",
            EmbedderUnavailableError,
            model,
            revision=revision,
            name=name,
            device=device,
            batch_size=batch_size,
            max_length=max_length,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
        )
        self._prompts = {InputRole.QUERY: query_prompt, InputRole.DOCUMENT: document_prompt}
        self._normalize = normalize

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        return int(self._holder.get().get_embedding_dimension())

    @property
    def kinds(self) -> frozenset[InputKind]:
        """Texts only."""
        return frozenset({InputKind.TEXT})

    @property
    def max_length(self) -> int | None:
        """Tokens that are read of a text, the model's own marks and the prompt included; None where there is no limit."""
        length = self._holder.get().max_seq_length
        return None if length is None or math.isinf(length) else int(length)

    def _load(self, folder: Path) -> Any:
        model = load_model(
            "SentenceTransformer",
            folder,
            name=self._name,
            device=self._device,
            unavailable=EmbedderUnavailableError,
        )
        if model.get_embedding_dimension() is None:
            raise ConfigurationError(f"{self._name} in {folder} does not say how many dimensions its vectors have.")
        shorten(model, self._name, self._max_length)
        return model

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        """Embed each text; memory beside the result depends on the size of a batch, not on the number of texts.

        Args:
            inputs: Texts, not empty.
            role: Whether they are questions or documents.

        Returns:
            Finite values of shape ``(len(inputs), dimensions)``, C-contiguous, in the order of the inputs.

        Raises:
            InvalidInputError: An input is empty or no text; ``position`` says which, counted from 1.
            EmbedderUnavailableError: The model could not be loaded or run.
            EmbedderResponseError: The model computed something else than finite vectors.
        """
        role = check_role(role)
        texts = check_texts(inputs)
        result = np.empty((len(texts), self.dimensions), dtype=np.float32)
        # Texts of like length share a batch, so little is computed for padding; the longest come first, so that memory runs
        # out at the start or never.
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]), reverse=True)
        for rows in split(order, self._rows):
            vectors = self._encode([self._as_text(texts[row]) for row in rows], role)
            result[rows] = check_embeddings(vectors, len(rows), result.shape[1])
        return result

    def _as_text(self, text: str) -> Any:
        """Mark a text as one: a model of pictures would fetch what looks like the address or the path of one."""
        return {"text": text} if len(self._modalities) > 1 else text

    @property
    def _modalities(self) -> tuple[Any, ...]:
        return tuple(self._holder.get().modalities)

    @property
    def _rows(self) -> int:
        return self._batch_on(self._holder.get())

    def _encode(self, texts: list[str], role: InputRole) -> object:
        with self._holder.computing(f"a batch of {len(texts)} texts") as model:
            encode = model.encode_query if role is InputRole.QUERY else model.encode_document
            return encode(
                texts,
                prompt=self._prompt(model, role),
                batch_size=len(texts),
                normalize_embeddings=self._normalize,
                show_progress_bar=False,
            )

    def _prompt(self, model: Any, role: InputRole) -> str:
        own = self._prompts[role]
        if own is not None:
            return own
        configured = (model.prompts.get(name) for name in _PROMPT_NAMES[role])
        return next((prompt for prompt in configured if prompt), "")

    def token_counts(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.int64]:
        """Count the tokens of each text before anything is cut off, the model's own marks and the prompt included.

        Raises:
            InvalidInputError: An input is empty or no text; ``position`` says which, counted from 1.
        """
        texts = check_texts(inputs)
        prompt = self._prompt(self._holder.get(), check_role(role))
        counts = [self._count([prompt + text for text in batch]) for batch in split(texts, _COUNT_BATCH)]
        return np.array([count for batch in counts for count in batch], dtype=np.int64)

    def _count(self, texts: list[str]) -> list[int]:
        tokenizer = self._holder.get().tokenizer
        with self._holder.lock:
            if not callable(tokenizer):  # static models hold a bare tokenizer, and add no marks
                return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
            # A limit out of reach instead of none, because without one the tokenizer complains of long texts.
            encoded = tokenizer(
                texts, truncation=True, max_length=_NO_LIMIT, padding=False, return_attention_mask=False
            )
            return [len(ids) for ids in encoded["input_ids"]]

    def count_truncated(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> int:
        """Count the texts of which the model reads only the beginning, because they have more than ``max_length`` tokens.

        Raises:
            InvalidInputError: An input is empty or no text; ``position`` says which, counted from 1.
        """
        counts = self.token_counts(inputs, role=role)
        return 0 if self.max_length is None else int((counts > self.max_length).sum())
