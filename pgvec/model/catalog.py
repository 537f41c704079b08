"""What the catalog of a database tells of vector columns and vector indexes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pgvec.model.target import IndexMethod
from pgvec.model.vector_type import VectorType

__all__ = ["DEFAULT_INDEX_OPTIONS", "CatalogColumn", "CatalogIndex"]

DEFAULT_INDEX_OPTIONS: Mapping[IndexMethod, Mapping[str, int]] = MappingProxyType(
    {
        IndexMethod.HNSW: MappingProxyType({"m": 16, "ef_construction": 64}),
        IndexMethod.IVFFLAT: MappingProxyType({"lists": 100}),
    }
)
"""What pgvector takes where ``WITH`` says nothing (https://github.com/pgvector/pgvector#hnsw)."""


@dataclass(frozen=True, slots=True)
class CatalogColumn:
    """A vector column as the catalog has it.

    Attributes:
        schema: Postgres schema of the table.
        table: The table.
        name: The column.
        type: Its type; ``bit`` where Postgres' own type is meant.
        dimensions: Number of dimensions that the type states, or None where it states none.
        storage: Postgres' own way to keep it: ``plain``, ``external``, ``extended`` or ``main``.
        default_storage: What its type takes where nothing else was said.
        nullable: Whether NULL may stand in it.
        partitioned: Whether the table is partitioned.
        visible: Whether the ``search_path`` shows the table.
        type_schema: Schema of the extension that the type belongs to, None where the ``search_path`` shows it, and for ``bit``.
    """

    schema: str
    table: str
    name: str
    type: VectorType
    dimensions: int | None
    storage: str
    default_storage: str
    nullable: bool
    partitioned: bool
    visible: bool
    type_schema: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogIndex:
    """A vector index as the catalog has it.

    Attributes:
        schema: Postgres schema of the table, and so of the index.
        table: The table.
        name: The index.
        column: The column that it is on, or None where it is on an expression.
        expression: The expression as Postgres writes it, or None where it is on a column.
        method: Access method.
        operator_class: Name of the operator class, with its schema where the ``search_path`` does not show it, quoted for SQL.
        options: What ``WITH`` says.
        predicate: Condition of a partial index as Postgres writes it, or None.
        tablespace: Where it lies, or None for the database's own.
        valid: False for what a killed build left, and while one goes on.
        partitioned: Whether it is the index of a partitioned table.
        visible: Whether the ``search_path`` shows the table.
    """

    schema: str
    table: str
    name: str
    column: str | None
    expression: str | None
    method: IndexMethod
    operator_class: str
    options: Mapping[str, int]
    predicate: str | None
    tablespace: str | None
    valid: bool
    partitioned: bool
    visible: bool

    @property
    def contents(self) -> tuple[object, ...]:
        """What makes two indexes on one table the same, whatever they are called; stated defaults are no difference."""
        options = {**DEFAULT_INDEX_OPTIONS[self.method], **self.options}
        expression = (self.column, self.expression)
        return self.method, self.operator_class, expression, self.predicate, tuple(sorted(options.items()))
