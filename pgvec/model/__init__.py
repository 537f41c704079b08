"""The vocabulary of pgvec: plain values without a database or a library behind them."""

from pgvec.model.advice import Advice, AdviceKind, FilterShape, TableState, read_shape, shape_text
from pgvec.model.calibration import Calibration, CalibrationReport
from pgvec.model.chunk import Chunk, Chunker, TokenCounter
from pgvec.model.column_model import ColumnModel, Replacement
from pgvec.model.distance import Distance
from pgvec.model.doctor import CHECKS, Diagnosis, Finding, Severity
from pgvec.model.embedder import Embedder, InputKind, InputRole
from pgvec.model.embedding_sync import (
    Backfill,
    ClaimedRow,
    EmbeddingSync,
    EntryKind,
    FailedRow,
    SyncStatus,
    SyncTask,
    WrittenRow,
)
from pgvec.model.explanation import Explanation
from pgvec.model.facets import Facet, FacetValue
from pgvec.model.facts import (
    CatalogIndex,
    ColumnStatistics,
    CompactForm,
    Costs,
    Partition,
    TableFacts,
    Term,
    TunedSetting,
)
from pgvec.model.filter_parser import parse_filter
from pgvec.model.filters import And, Comparison, Filter, Not, Operator, Or, Predicate
from pgvec.model.fusion import Fusion, FusionReport
from pgvec.model.groups import Groups, MatchGroup
from pgvec.model.load import LoadProgress, LoadReport, ProgressCallback
from pgvec.model.match import Match, Matches, Receipt, Strategy
from pgvec.model.media import Audio, Image, input_kind
from pgvec.model.migration import AppliedScript, MigrationStatus
from pgvec.model.recall import (
    MeasureProgress,
    MeasureProgressCallback,
    RecallPoint,
    RecallReport,
    TunedClass,
    TuneReport,
    recall_interval,
)
from pgvec.model.recommend import RecommendStrategy
from pgvec.model.reranker import AsyncReranker, Rerank, Reranker, Reranking
from pgvec.model.server import ServerFacts
from pgvec.model.target import IndexMethod, StoredRecord, Target, VectorColumn, VectorIndex
from pgvec.model.vector_type import VectorType

__all__ = [
    "CHECKS",
    "Advice",
    "AdviceKind",
    "And",
    "AppliedScript",
    "AsyncReranker",
    "Audio",
    "Backfill",
    "Calibration",
    "CalibrationReport",
    "CatalogIndex",
    "Chunk",
    "Chunker",
    "ClaimedRow",
    "ColumnModel",
    "ColumnStatistics",
    "CompactForm",
    "Comparison",
    "Costs",
    "Diagnosis",
    "Distance",
    "Embedder",
    "EmbeddingSync",
    "EntryKind",
    "Explanation",
    "Facet",
    "FacetValue",
    "FailedRow",
    "Filter",
    "FilterShape",
    "Finding",
    "Fusion",
    "FusionReport",
    "Groups",
    "Image",
    "IndexMethod",
    "InputKind",
    "InputRole",
    "LoadProgress",
    "LoadReport",
    "Match",
    "MatchGroup",
    "Matches",
    "MeasureProgress",
    "MeasureProgressCallback",
    "MigrationStatus",
    "Not",
    "Operator",
    "Or",
    "Partition",
    "Predicate",
    "ProgressCallback",
    "RecallPoint",
    "RecallReport",
    "Receipt",
    "RecommendStrategy",
    "Replacement",
    "Rerank",
    "Reranker",
    "Reranking",
    "ServerFacts",
    "Severity",
    "StoredRecord",
    "Strategy",
    "SyncStatus",
    "SyncTask",
    "TableFacts",
    "TableState",
    "Target",
    "Term",
    "TokenCounter",
    "TuneReport",
    "TunedClass",
    "TunedSetting",
    "VectorColumn",
    "VectorIndex",
    "VectorType",
    "WrittenRow",
    "input_kind",
    "parse_filter",
    "read_shape",
    "recall_interval",
    "shape_text",
]
