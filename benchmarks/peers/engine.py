"""What an engine has to do here, and the numbers that are the same for all."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from benchmarks.filters.data import FilterData
from benchmarks.filters.strategies import Contender

__all__ = ["EF_SEARCH", "Engine", "folder_bytes"]

# The graphs are built as pgvector's here. Engines search with this many candidates (pgvec at its defaults with 40).
EF_SEARCH = 64


class Engine(Protocol):
    """An engine that runs inside this process and keeps its data in a folder."""

    def load(self, data: FilterData, folder: Path) -> None:
        """Store vectors and columns, and build all indexes."""

    def contenders(self) -> dict[str, Contender]:
        """Return its ways to search, by name; they answer with rows that begin with the id."""

    def close(self) -> None:
        """Give up what it holds."""


def folder_bytes(folder: Path) -> int:
    """Return how much of the disk the files below a folder take (holes in files do not count)."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
