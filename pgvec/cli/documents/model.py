"""Documents and chunks of the command line: an ordinary mapping, as an application has one."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSchema

from pgvec.execution import migrate
from pgvec.execution.search_path import show_extension_always
from pgvec.execution.sqlstate import translated
from pgvec.orm import Embedding, HnswIndex, KeywordIndex
from pgvec.rag import ChunkMixin, DocumentMixin

__all__ = ["SCHEMA", "Base", "Chunk", "Document", "create_tables", "has_tables"]

SCHEMA = "pgvec_documents"


class Base(DeclarativeBase):
    """The mapped classes of the command line."""

    metadata = sa.MetaData(schema=SCHEMA)


class Document(DocumentMixin, Base):
    """A file that was ingested."""

    __tablename__ = "document"


class Chunk(ChunkMixin, Base):
    """A part of one, as long as the default model reads."""

    __tablename__ = "chunk"

    document_model = Document
    embedding: Mapped[Any] = mapped_column(Embedding(384, distance="cosine", storage="plain"))
    __table_args__ = (HnswIndex("embedding", m=16, ef_construction=64), KeywordIndex("text"))


def create_tables(engine: sa.Engine) -> None:
    """Migrate the database, and create the tables where they are missing.

    Args:
        engine: One that keeps no connections, because their ``search_path`` may be changed.
    """
    migrate.up(engine)
    show_extension_always(engine)
    with translated(), engine.begin() as connection:
        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        Base.metadata.create_all(connection)


def has_tables(engine: sa.Engine) -> bool:
    """Return whether something was ingested into this database."""
    with translated(), engine.connect() as connection:
        return sa.inspect(connection).has_table("chunk", schema=SCHEMA)
