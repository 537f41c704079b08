"""Loads a model of sentence-transformers from a checked folder: no pickles, no code of its own, no network."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from pgvec.embedders.quiet import quiet
from pgvec.errors import ConfigurationError, EmbedderUnavailableError, InvalidOptionError, MissingDependencyError

__all__ = ["load_model"]


def load_model(folder: Path, *, name: str, device: str | None, max_length: int | None) -> Any:
    """Return the ``SentenceTransformer`` in ``folder``.

    Raises:
        MissingDependencyError: A package that the model needs cannot be imported.
        EmbedderUnavailableError: The files or the device cannot be used.
        InvalidOptionError: ``max_length`` is more than the model reads.
    """
    # Threads of the tokenizer would deadlock in a process forked later; they save one second in a hundred.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        with quiet():
            model: Any = _import_library().SentenceTransformer(
                os.fspath(folder),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
    except ImportError as exc:
        raise MissingDependencyError.for_extra("local", f"Loading {name}") from exc
    except (
        Exception
    ) as exc:  # whatever the libraries raise for a damaged file, among it exceptions of their own in Rust
        raise EmbedderUnavailableError(
            f"{name} could not be loaded from {folder} on the device {device or 'that torch chose'}: {exc} "
            "Check that the files are whole, that the device exists and that there is enough memory."
        ) from exc
    if model.get_embedding_dimension() is None:
        raise ConfigurationError(f"{name} in {folder} does not say how many dimensions its vectors have.")
    if max_length is not None:
        _shorten(model, name, max_length)
    return model


def _import_library() -> ModuleType:
    """Import sentence-transformers, and with it torch, so that its threads sleep while they wait for each other.

    By default they spin: on two busy cores that took twice the processor time for half of the texts per second. OpenMP reads
    the variable once, when torch is imported, so it is taken back for the sake of processes started later.
    """
    given = os.environ.get("OMP_WAIT_POLICY")
    os.environ["OMP_WAIT_POLICY"] = given or "PASSIVE"
    try:
        return importlib.import_module("sentence_transformers")
    finally:
        if given is None:
            del os.environ["OMP_WAIT_POLICY"]


def _shorten(model: Any, name: str, max_length: int) -> None:
    longest = model.max_seq_length
    if longest is not None and max_length > longest:
        raise InvalidOptionError(f"max_length is {max_length}, but {name} reads at most {longest} tokens.")
    model.max_seq_length = max_length
