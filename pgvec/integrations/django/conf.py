"""The setting ``PGVEC``, read when it is needed, so that ``override_settings`` works."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from pgvec.errors import ConfigurationError
from pgvec.model import Embedder

__all__ = ["KNOWN_SETTINGS", "embedder", "embedder_path", "pgvec_settings"]

KNOWN_SETTINGS = frozenset({"EMBEDDER"})


def pgvec_settings() -> Mapping[str, Any]:
    """Return the setting ``PGVEC``, empty where the project has none.

    Raises:
        ConfigurationError: It is no mapping.
    """
    given = getattr(settings, "PGVEC", None) or {}
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"The setting PGVEC has to be a dict, not {type(given).__name__}")
    return given


def embedder_path() -> str | None:
    """Return the dotted path of the embedder, or None where the project names none.

    Raises:
        ConfigurationError: It is no text.
    """
    path = pgvec_settings().get("EMBEDDER")
    if path is not None and not isinstance(path, str):
        raise ConfigurationError(f"PGVEC['EMBEDDER'] has to be a dotted path, not {path!r}")
    return path


def embedder() -> Embedder | None:
    """Return the embedder of the project, made once for each dotted path, or None where it names none.

    The path leads to an embedder, or to a class or function that makes one without arguments.

    Raises:
        ConfigurationError: Nothing can be imported from there, or what it makes is no embedder.
    """
    path = embedder_path()
    return None if path is None else _load(path)


@lru_cache(maxsize=8)
def _load(path: str) -> Embedder:
    try:
        found = import_string(path)
    except ImportError as exc:
        raise ConfigurationError(f"PGVEC['EMBEDDER'] names {path!r}, which cannot be imported: {exc}") from exc
    try:
        made = found if _is_embedder(found) or not callable(found) else found()
    except TypeError as exc:
        raise ConfigurationError(
            f"PGVEC['EMBEDDER'] names {path!r}, which cannot be called without arguments: {exc}"
        ) from exc
    if not _is_embedder(made):
        raise ConfigurationError(
            f"PGVEC['EMBEDDER'] names {path!r}, which is a {type(made).__name__} and no embedder: see the protocol "
            "pgvec.Embedder"
        )
    return made  # type: ignore[no-any-return]


def _is_embedder(candidate: object) -> bool:
    # A class has the methods too, but is what makes the embedder.
    return not isinstance(candidate, type) and hasattr(candidate, "embed") and hasattr(candidate, "dimensions")
