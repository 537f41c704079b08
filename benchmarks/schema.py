"""The one table that both sides load and search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.data import Dataset
from pgvec.orm import Embedding, HnswIndex

__all__ = ["EF_CONSTRUCTION", "M", "Schema", "Workbench", "define_schema"]

M = 16
EF_CONSTRUCTION = 64


@dataclass(frozen=True, slots=True)
class Schema:
    """The mapped class, its table and its index, which is built after the load."""

    model: type[Any]
    table: sa.Table
    index: sa.Index

    def create_table(self, engine: sa.Engine) -> None:
        """Make the table new and empty, with its primary key and no other index."""
        self.drop_table(engine)
        with engine.begin() as connection:
            connection.execute(sa.schema.CreateTable(self.table))

    def empty_table(self, engine: sa.Engine) -> None:
        """Take all rows out."""
        with engine.begin() as connection:
            connection.execute(sa.text("TRUNCATE item"))

    def drop_table(self, engine: sa.Engine) -> None:
        """Remove the table if it is there."""
        self.table.drop(engine, checkfirst=True)

    def create_index(self, engine: sa.Engine) -> None:
        """Build the vector index, and let the planner know the table."""
        self.index.create(engine)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE item"))


@dataclass(frozen=True, slots=True)
class Workbench:
    """The database of the run, as each side reaches it, and what lies in it."""

    conninfo: str
    engine: sa.Engine
    schema: Schema
    data: Dataset


def define_schema(dimensions: int, *, unlogged: bool = False) -> Schema:
    """Map a class to the table ``item``."""

    class Base(DeclarativeBase):
        """Base of its own, so that classes of several sizes can exist."""

    class Item(Base):
        """A record with a label and a vector."""

        __tablename__ = "item"

        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        label: Mapped[int]
        embedding: Mapped[Any] = mapped_column(Embedding(dimensions, distance="l2"))

        __table_args__ = (
            HnswIndex("embedding", m=M, ef_construction=EF_CONSTRUCTION),
            {"prefixes": ["UNLOGGED"] if unlogged else []},
        )

    table = Base.metadata.tables["item"]
    (index,) = table.indexes
    return Schema(Item, table, index)
