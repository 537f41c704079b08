"""Embeddings that follow their text: declared like an index, noted by triggers, made by workers."""

from pgvec.embedding_sync.async_syncs import AsyncSyncs
from pgvec.embedding_sync.lane import Work
from pgvec.embedding_sync.metrics import WorkerMetrics, serve_metrics
from pgvec.embedding_sync.options import WorkerOptions
from pgvec.embedding_sync.reembedding import Reembedding
from pgvec.embedding_sync.resolving import load_embedders, read_embedder_names
from pgvec.embedding_sync.syncs import Syncs, read_totals
from pgvec.embedding_sync.worker import Worker
from pgvec.model import Backfill, EmbeddingSync, SyncStatus
from pgvec.model.reembed import ReembedOptions, ReembedProgress, ReembedStatus

__all__ = [
    "AsyncSyncs",
    "Backfill",
    "EmbeddingSync",
    "ReembedOptions",
    "ReembedProgress",
    "ReembedStatus",
    "Reembedding",
    "SyncStatus",
    "Syncs",
    "Work",
    "Worker",
    "WorkerMetrics",
    "WorkerOptions",
    "load_embedders",
    "read_embedder_names",
    "read_totals",
    "serve_metrics",
]
