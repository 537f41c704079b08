"""From documents to answers: files become chunks in the user's own tables, which are found again and cited."""

from pgvec.rag.answerer import Answer, Answerer, AnswerStream
from pgvec.rag.async_retriever import AsyncRetriever
from pgvec.rag.chat import ChatModel, OpenAICompatibleChat
from pgvec.rag.context import Context, Passage, Source
from pgvec.rag.ingest import ingest
from pgvec.rag.reading import FORMATS, FoundFile, read_file
from pgvec.rag.retriever import Retriever
from pgvec.rag.tables import ChunkMixin, DocumentMixin
from pgvec.rag.values import FileText, IngestProgress, IngestReport, RefusedFile

__all__ = [
    "FORMATS",
    "Answer",
    "AnswerStream",
    "Answerer",
    "AsyncRetriever",
    "ChatModel",
    "ChunkMixin",
    "Context",
    "DocumentMixin",
    "FileText",
    "FoundFile",
    "IngestProgress",
    "IngestReport",
    "OpenAICompatibleChat",
    "Passage",
    "RefusedFile",
    "Retriever",
    "Source",
    "ingest",
    "read_file",
]
