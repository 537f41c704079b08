"""pgvec turns the Postgres that a team already runs into the vector database of its application."""

from pgvec.model import (
    Advice,
    Distance,
    Embedder,
    Explanation,
    Fusion,
    FusionReport,
    LoadProgress,
    LoadReport,
    Match,
    Matches,
    MeasureProgress,
    RecallPoint,
    RecallReport,
    Receipt,
    Strategy,
    TunedClass,
    TuneReport,
)
from pgvec.operations.row_sources import read_csv, read_jsonl
from pgvec.repository import AsyncRepository, Repository

__all__ = [
    "Advice",
    "AsyncRepository",
    "Distance",
    "Embedder",
    "Explanation",
    "Fusion",
    "FusionReport",
    "LoadProgress",
    "LoadReport",
    "Match",
    "Matches",
    "MeasureProgress",
    "RecallPoint",
    "RecallReport",
    "Receipt",
    "Repository",
    "Strategy",
    "TuneReport",
    "TunedClass",
    "read_csv",
    "read_jsonl",
]
