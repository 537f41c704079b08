"""What pgvec knows of a table with embeddings: one plain value, whoever declared the table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pgvec.model.distance import Distance
from pgvec.model.vector_type import VectorType

__all__ = ["IndexMethod", "StoredRecord", "Target", "VectorColumn", "VectorIndex"]


class IndexMethod(StrEnum):
    """Access methods of pgvector."""

    HNSW = "hnsw"
    IVFFLAT = "ivfflat"


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """A vector index as declared.

    Attributes:
        name: Name of the index, or None where the naming convention gives it later.
        method: Access method.
        distance: The distance that its operator class serves.
        quantization: Type that the index stores instead of the column's, or None.
        dimensions: Number of leading dimensions that it covers, or None for all.
        partial: True when the index has a predicate and so covers only some rows.
    """

    name: str | None
    method: IndexMethod
    distance: Distance
    quantization: VectorType | None = None
    dimensions: int | None = None
    partial: bool = False


@dataclass(frozen=True, slots=True)
class VectorColumn:
    """A vector column as declared.

    Attributes:
        attribute: Name under which the model has it (for a table: the key of the column).
        name: Name of the column in Postgres.
        type: Type of the column.
        dimensions: Declared number of dimensions, or None where the column has none.
        distance: Declared distance, or None where the declaration says nothing.
        source: Names of the text columns that the embedding is made from.
        indexes: The vector indexes on it, the most faithful to the distances first.
    """

    attribute: str
    name: str
    type: VectorType
    dimensions: int | None
    distance: Distance | None = None
    source: tuple[str, ...] = ()
    indexes: tuple[VectorIndex, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What a repository searches: a model or table, one of its vector columns, and a distance.

    Attributes:
        entity: The mapped class, or the table, that was read; opaque to everything above ``orm``.
        name: Qualified name of the table, for messages.
        key: Names of the attributes that make up the primary key.
        column: The vector column to search.
        distance: The distance to search by.
        embeddings: Attribute names of all vector columns of the entity.
    """

    entity: Any
    name: str
    key: tuple[str, ...]
    column: VectorColumn
    distance: Distance
    embeddings: tuple[str, ...]

    def __hash__(self) -> int:
        # A target is part of the key of every prepared statement; these three tell nearly all of them apart.
        return hash((self.name, self.column.attribute, self.distance))

    def similarity(self, distance: float | None) -> float | None:
        """Return the cosine similarity for a cosine distance; None for other distances, and where no vector was compared."""
        return 1.0 - distance if self.distance is Distance.COSINE and distance is not None else None

    @property
    def index(self) -> VectorIndex | None:
        """The index that a search without a filter can use: first a complete one of this distance."""
        usable = [index for index in self.column.indexes if index.distance == self.distance and not index.partial]
        return usable[0] if usable else None


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A row of the target as the query of a search, named by its key: its embedding never leaves the database."""

    key: tuple[Any, ...]
