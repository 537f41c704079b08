"""Embedding models: the protocol, the ones that pgvec brings, and what helps to write one."""

from pgvec.embedders.batches import embed_batches
from pgvec.embedders.cache import CachedEmbedder
from pgvec.embedders.checks import check_embeddings, check_texts
from pgvec.embedders.default import default_embedder
from pgvec.embedders.multimodal import AudioEmbedder, ImageEmbedder, MultimodalEmbedder
from pgvec.embedders.openai_compatible import OpenAICompatibleEmbedder
from pgvec.embedders.paced import PacedEmbedder
from pgvec.embedders.sentence_transformer import SentenceTransformerEmbedder
from pgvec.model import Embedder, InputKind, InputRole

__all__ = [
    "AudioEmbedder",
    "CachedEmbedder",
    "Embedder",
    "ImageEmbedder",
    "InputKind",
    "InputRole",
    "MultimodalEmbedder",
    "OpenAICompatibleEmbedder",
    "PacedEmbedder",
    "SentenceTransformerEmbedder",
    "check_embeddings",
    "check_texts",
    "default_embedder",
    "embed_batches",
]
