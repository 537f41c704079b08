"""The tables of the demo: an ordinary SQLAlchemy mapping, as an application has one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pgvec.orm import Embedding, HnswIndex

__all__ = ["SCHEMA", "Base", "Corpus", "Entry", "hnsw_index"]

SCHEMA = "pgvec_demo"


class Base(DeclarativeBase):
    """The mapped classes of the demo."""

    metadata = sa.MetaData(schema=SCHEMA)


class Entry(Base):
    """A documented object of the standard library."""

    __tablename__ = "docstring"

    qualified_name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(index=True)
    module: Mapped[str] = mapped_column(index=True)
    signature: Mapped[str | None]
    source_file: Mapped[str | None]
    line_count: Mapped[int]
    text: Mapped[str] = mapped_column(sa.Text)
    tokens: Mapped[int]
    text_hash: Mapped[str] = mapped_column(sa.String(64))
    model_revision: Mapped[str]
    embedding: Mapped[Any] = mapped_column(
        Embedding(384, distance="cosine", storage="plain", source=("qualified_name", "text"))
    )

    __table_args__ = (
        # create_all leaves it out: it is built online, once the rows are there.
        HnswIndex("embedding", m=16, ef_construction=64, postgresql_concurrently=True).ddl_if(
            callable_=lambda *_args, **_options: False
        ),
    )


class Corpus(Base):
    """A standard library that was loaded to its end."""

    __tablename__ = "corpus"

    fingerprint: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    model_revision: Mapped[str] = mapped_column(primary_key=True)
    rows: Mapped[int]
    finished_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


def hnsw_index() -> sa.Index:
    """Return the vector index of the entries."""
    table = Entry.__table__
    assert isinstance(table, sa.Table)
    return next(index for index in table.indexes if isinstance(index, HnswIndex))
