"""pgvec turns the Postgres that a team already runs into the vector database of its application."""

from pgvec.model import (
    Distance,
    Embedder,
    Fusion,
    FusionReport,
    LoadProgress,
    LoadReport,
    Match,
    Matches,
    Receipt,
    Strategy,
)
from pgvec.operations.row_sources import read_csv, read_jsonl
from pgvec.repository import AsyncRepository, Repository

__all__ = [
    "AsyncRepository",
    "Distance",
    "Embedder",
    "Fusion",
    "FusionReport",
    "LoadProgress",
    "LoadReport",
    "Match",
    "Matches",
    "Receipt",
    "Repository",
    "Strategy",
    "read_csv",
    "read_jsonl",
]
