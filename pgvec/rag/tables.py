"""Mixins for tables of documents and of their chunks, which are the user's own."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Mapper, declared_attr, mapped_column, relationship

from pgvec.errors import MappingError

__all__ = ["ChunkMixin", "DocumentMixin"]


class DocumentMixin:
    """Columns of a table of documents; a path is there once in each corpus.

    Attributes:
        id: Primary key.
        corpus: What the document was ingested as a part of: files of one folder.
        path: Path of the file within the folder.
        title: What the file calls itself.
        format: What it was read as.
        text: What the offsets of its chunks count in.
        pages: Offsets at which its pages begin.
        content_hash: SHA-256 of the file.
        made_with: SHA-256 of how the chunks were made: reader, chunker, model.
        modified_at: When the file was last changed.
        ingested_at: When this was written.
    """

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    corpus: Mapped[str] = mapped_column(sa.Text)
    path: Mapped[str] = mapped_column(sa.Text)
    title: Mapped[str] = mapped_column(sa.Text)
    format: Mapped[str] = mapped_column(sa.Text)
    text: Mapped[str] = mapped_column(sa.Text)
    pages: Mapped[list[int]] = mapped_column(JSONB, server_default=sa.text("'[]'"))
    content_hash: Mapped[str] = mapped_column(sa.Text)
    made_with: Mapped[str] = mapped_column(sa.Text)
    modified_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    ingested_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


class ChunkMixin:
    """Columns of a table of chunks. The class says whose they are, and has an embedding::

        class Chunk(ChunkMixin, Base):
            __tablename__ = "chunk"
            document_model = Document
            embedding = mapped_column(Embedding(384, distance="cosine"))
            __table_args__ = (HnswIndex("embedding"), KeywordIndex("text"))

    Attributes:
        document_model: The mapped class of the documents.
        id: Primary key.
        document_id: The document; its chunks are deleted with it.
        position: Which chunk of the document it is, counted from 0.
        start_offset: Where it begins in the text of the document: ``document.text[start_offset:end_offset] == text``.
        end_offset: Where it ends.
        text: The chunk.
        gap: What stands between it and the next chunk, as a rule white space.
        text_hash: SHA-256 of the text.
        embedded_by: Name and revision of the model that made the embedding.
    """  # noqa: D415 - ends with a list

    document_model: ClassVar[type[Any]]

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    position: Mapped[int]
    start_offset: Mapped[int]
    end_offset: Mapped[int]
    text: Mapped[str] = mapped_column(sa.Text)
    gap: Mapped[str] = mapped_column(sa.Text, server_default="")
    text_hash: Mapped[str] = mapped_column(sa.Text, index=True)
    embedded_by: Mapped[str] = mapped_column(sa.Text)

    @declared_attr
    def document_id(cls) -> Mapped[int]:  # noqa: N805 - SQLAlchemy gives it the class
        """Foreign key to the document."""
        return mapped_column(sa.ForeignKey(_document_model(cls).id, ondelete="CASCADE"))

    @declared_attr
    def document(cls) -> Mapped[Any]:  # noqa: N805 - SQLAlchemy gives it the class
        """The document."""
        return relationship(_document_model(cls))


def _document_model(chunk: Any) -> Any:
    model = getattr(chunk, "document_model", None)
    if not (isinstance(model, type) and issubclass(model, DocumentMixin)):
        raise MappingError(
            f"{chunk.__name__} has to say whose chunks it holds: write  document_model = Document,  a class with DocumentMixin"
        )
    return model


# Here and not in __table_args__, which the classes of users have for themselves.
@sa.event.listens_for(DocumentMixin, "after_mapper_constructed", propagate=True)
def _one_path(mapper: Mapper[Any], _class: type[Any]) -> None:
    _add_unique(mapper, "corpus", "path")


@sa.event.listens_for(ChunkMixin, "after_mapper_constructed", propagate=True)
def _one_position(mapper: Mapper[Any], _class: type[Any]) -> None:
    _add_unique(mapper, "document_id", "position")


def _add_unique(mapper: Mapper[Any], *names: str) -> None:
    table = mapper.local_table
    if mapper.inherits is None and isinstance(table, sa.Table):
        table.append_constraint(sa.UniqueConstraint(*(table.c[name] for name in names)))
