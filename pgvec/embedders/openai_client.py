"""What all that speak to an OpenAI-compatible endpoint share: the client library, and how long a provider asks to wait."""

from __future__ import annotations

import importlib
import math
from typing import Any

from pgvec.errors import MissingDependencyError

__all__ = ["import_openai", "retry_after"]


def import_openai() -> Any:
    """Return the module ``openai``.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return importlib.import_module("openai")
    except ImportError as exc:
        raise MissingDependencyError.for_extra("remote", "A model behind an OpenAI-compatible endpoint") from exc


def retry_after(error: Any) -> float | None:
    """Return the seconds that a refusal asks to wait, or None where it names no number."""
    try:
        seconds = float(error.response.headers.get("retry-after"))
    except (TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
