"""Loads a model of sentence-transformers from a checked folder: no pickles, no code of its own, no network."""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias

from pgvec.errors import InvalidOptionError, MissingDependencyError, PgvecError
from pgvec.local_models.quiet import quiet

__all__ = ["Kind", "import_library", "load_model", "require_library", "shorten"]

Kind: TypeAlias = Literal["SentenceTransformer", "CrossEncoder", "SparseEncoder"]


def require_library(purpose: str) -> None:
    """Refuse a feature (``purpose``, a noun phrase) where sentence-transformers is not installed.

    Raises:
        MissingDependencyError: It is not.
    """
    if importlib.util.find_spec("sentence_transformers") is None:
        raise MissingDependencyError.for_extra("local", purpose)


def load_model(
    kind: Kind, folder: Path, *, name: str, device: str | None, unavailable: type[PgvecError], **options: Any
) -> Any:
    """Return the model in ``folder``.

    Args:
        kind: The class of sentence-transformers that reads it.
        folder: A folder whose files have been checked.
        name: What the model is called, for messages.
        device: Where it computes, or None for the best there is.
        unavailable: The error for files or a device that cannot be used.
        **options: What this class takes besides.

    Raises:
        MissingDependencyError: A package that the model needs cannot be imported.
    """
    # Threads of the tokenizer would deadlock in a process forked later; they save one second in a hundred.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        with quiet():
            return getattr(import_library(), kind)(
                os.fspath(folder),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
                **options,
            )
    except ImportError as exc:
        raise MissingDependencyError.for_extra("local", f"Loading {name}") from exc
    except (
        Exception
    ) as exc:  # whatever the libraries raise for a damaged file, among it exceptions of their own in Rust
        raise unavailable(
            f"{name} could not be loaded from {folder} on the device {device or 'that torch chose'}: {exc} "
            "Check that the files are whole, that the device exists and that there is enough memory."
        ) from exc


def import_library() -> ModuleType:
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


def shorten(model: Any, name: str, max_length: int | None) -> None:
    """Let a model read only so many tokens.

    Raises:
        InvalidOptionError: ``max_length`` is more than the model reads.
    """
    if max_length is None:
        return
    longest = model.max_seq_length
    if longest is not None and max_length > longest:
        raise InvalidOptionError(f"max_length is {max_length}, but {name} reads at most {longest} tokens.")
    model.max_seq_length = max_length
