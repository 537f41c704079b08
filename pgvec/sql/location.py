"""Finds the Alembic environment: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from pgvec.errors import ConfigurationError

__all__ = ["migrations_path"]

_PACKAGE = Path(__file__).resolve().parents[1]


def migrations_path() -> Path:
    """Return the folder of pgvec's Alembic environment; its ``versions`` may join your own ``version_locations``.

    Raises:
        ConfigurationError: The installation lacks it.
    """
    for folder in (_PACKAGE / "_migrations", _PACKAGE.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise ConfigurationError(f"The migrations are missing beside {_PACKAGE}; install pgvec again from a complete wheel")
