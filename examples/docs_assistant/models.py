"""The tables of the assistant, in a schema of their own."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, mapped_column

from pgvec.orm import Embedding, HnswIndex, KeywordIndex
from pgvec.rag import ChunkMixin, DocumentMixin

SCHEMA = "docs_assistant"


class Base(DeclarativeBase):
    """Base of the models."""

    metadata = MetaData(schema=SCHEMA)


class Document(DocumentMixin, Base):
    """A file of the folder."""

    __tablename__ = "document"


class Chunk(ChunkMixin, Base):
    """A part of it that is found by meaning and by words."""

    __tablename__ = "chunk"
    document_model = Document
    embedding = mapped_column(Embedding(384, distance="cosine"))
    __table_args__ = (HnswIndex("embedding"), KeywordIndex("text"))
