"""From the names that declarations give to embedders: ``name=module:attribute``, or ``[tool.pgvec.embedders]``."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pgvec.embedders import default_embedder
from pgvec.errors import ConfigurationError
from pgvec.model import Embedder
from pgvec.repository.arguments import check_embedder

__all__ = ["DEFAULT_NAME", "load_embedders", "read_embedder_names"]

DEFAULT_NAME = "minilm"


def read_embedder_names(folder: Path) -> dict[str, str]:
    """Return the table ``[tool.pgvec.embedders]`` of the ``pyproject.toml`` in a folder; nothing where there is none.

    Raises:
        ConfigurationError: The file cannot be read, or the table holds something else than texts.
    """
    path = folder / "pyproject.toml"
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"{path} cannot be read: {exc}") from exc
    named = content.get("tool", {}).get("pgvec", {}).get("embedders", {})
    if not isinstance(named, dict) or not all(isinstance(place, str) for place in named.values()):
        raise ConfigurationError(f'[tool.pgvec.embedders] in {path} has lines of the form  name = "module:attribute"')
    return named


def load_embedders(names: Mapping[str, str]) -> dict[str, Embedder]:
    """Import embedders, and add the default one as ``minilm`` where that name is not taken; it loads when first asked.

    Args:
        names: ``module:attribute`` by name. The attribute is an embedder, or a function without arguments that returns one.

    Raises:
        ConfigurationError: A place does not exist, or holds no embedder.
    """
    found = {name: _load(name, place) for name, place in names.items()}
    if DEFAULT_NAME not in found:
        found[DEFAULT_NAME] = _Default()
    return found


class _Default:
    """The default embedder, looked for when it is first asked: a worker that only serves others need not have it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(default_embedder(), name)


def _load(name: str, place: str) -> Embedder:
    module, colon, attribute = place.partition(":")
    if not (name and module and colon and attribute):
        raise ConfigurationError(f"An embedder is given as  name=module:attribute, not {name}={place}")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as exc:
        raise ConfigurationError(f"The embedder {name!r} cannot be had from {place}: {exc}") from exc
    is_embedder = hasattr(type(found), "embed")
    embedder: Embedder = found if is_embedder or not callable(found) else found()
    check_embedder(embedder)
    return embedder
