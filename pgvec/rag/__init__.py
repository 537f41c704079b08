"""From documents to answers: files become chunks in the user's own tables, which are found again and cited."""

from pgvec.rag.ingest import ingest
from pgvec.rag.reading import FORMATS, FoundFile, read_file
from pgvec.rag.tables import ChunkMixin, DocumentMixin
from pgvec.rag.values import FileText, IngestProgress, IngestReport, RefusedFile

__all__ = [
    "FORMATS",
    "ChunkMixin",
    "DocumentMixin",
    "FileText",
    "FoundFile",
    "IngestProgress",
    "IngestReport",
    "RefusedFile",
    "ingest",
    "read_file",
]
