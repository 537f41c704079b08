"""pgvec turns the Postgres that a team already runs into the vector database of its application."""

from pgvec.execution.filter_record import FilterRecord
from pgvec.model import (
    Advice,
    Diagnosis,
    Distance,
    Embedder,
    Explanation,
    Finding,
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
    RecommendStrategy,
    Severity,
    Strategy,
    TunedClass,
    TuneReport,
)
from pgvec.operations.row_sources import read_csv, read_jsonl
from pgvec.repository import AsyncRepository, Repository
from pgvec.repository.doctor import diagnose

__all__ = [
    "Advice",
    "AsyncRepository",
    "Diagnosis",
    "Distance",
    "Embedder",
    "Explanation",
    "FilterRecord",
    "Finding",
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
    "RecommendStrategy",
    "Repository",
    "Severity",
    "Strategy",
    "TuneReport",
    "TunedClass",
    "diagnose",
    "read_csv",
    "read_jsonl",
]
