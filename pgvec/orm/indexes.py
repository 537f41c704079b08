"""Vector indexes for ``__table_args__`` and tables, and the expressions that they hold."""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.sql.elements import quoted_name

from pgvec.errors import InvalidOptionError, MappingError, NotAnEmbeddingColumnError
from pgvec.model import Distance, IndexMethod, VectorColumn, VectorIndex, VectorType
from pgvec.orm.column_types import describe_type, find_embedding
from pgvec.orm.embedding import Embedding, quote_identifier
from pgvec.orm.rules import MAX_STORED_DIMENSIONS, check_index, choose, whole_number

__all__ = ["HnswIndex", "IvfflatIndex", "extension_function", "index_expression"]

_IndexedColumn: TypeAlias = str | sa.Column[Any] | Mapped[Any]
_Condition: TypeAlias = sa.ColumnElement[bool] | sa.TextClause

_LONGEST_NAME = 63
_DEFAULT_M = 16
_DEFAULT_EF_CONSTRUCTION = 64


def index_expression(
    element: sa.ColumnElement[Any], column: VectorColumn, index: VectorIndex, extension_schema: str | None
) -> sa.ColumnElement[Any]:
    """Return what an index holds of a vector; a query must order by the distance of the same to be answered by the index.

    Args:
        element: The column, or a query vector of its type.
        column: The column that the index is on.
        index: The index.
        extension_schema: Postgres schema of the extension, or None to rely on ``search_path``.
    """
    stored = index.quantization or column.type
    if index.dimensions is not None:
        count: sa.ColumnElement[Any] = sa.literal_column(str(index.dimensions))
        element = extension_function("subvector", extension_schema, element, sa.literal_column("1"), count)
    if index.quantization is VectorType.BIT:
        element = extension_function("binary_quantize", extension_schema, element)
    dimensions = index.dimensions or column.dimensions
    if (index.quantization is None and index.dimensions is None) or dimensions is None:
        return element
    # A function's result has no number of dimensions, which an index needs.
    return sa.cast(element, Embedding(dimensions, _stored_distance(index), stored, extension_schema=extension_schema))


def extension_function(name: str, schema: str | None, *arguments: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Call a function or an aggregate of the extension.

    Args:
        name: Name of the function, from the code.
        schema: Postgres schema of the extension, or None to rely on ``search_path``.
        arguments: Its arguments.
    """
    if schema is None:
        return sa.Function(name, *arguments)
    # SQLAlchemy leaves capital letters in a function's schema unquoted, and formats its name with %.
    qualified = f"{quote_identifier(schema)}.{name}".replace("%", "%%")
    return sa.Function(quoted_name(qualified, quote=False), *arguments)


class _VectorIndex(sa.Index):
    """What the indexes have in common: the rest follows from the column when the index gets its table."""

    method: IndexMethod

    def __init__(
        self,
        column: _IndexedColumn,
        *,
        options: dict[str, int],
        quantization: VectorType | str | None,
        dimensions: int | None,
        where: _Condition | None,
        name: str | None,
        concurrently: bool,
    ) -> None:
        self.quantization = None if quantization is None else choose(VectorType, quantization, "quantization")
        most = MAX_STORED_DIMENSIONS[VectorType.VECTOR]
        self.dimensions = None if dimensions is None else whole_number(dimensions, "dimensions", 1, most)
        super().__init__(
            name,
            column,
            postgresql_using=self.method.value,
            postgresql_with=options,
            postgresql_where=where,
            postgresql_concurrently=concurrently,
        )

    def adapt_to(self, table: sa.Table) -> None:
        """Take name, expression and operator class from the column, before the index becomes the table's."""
        column = self._find_column(table)
        embedding = find_embedding(column.type)
        if embedding is None:
            raise _no_embedding(column, self.method)
        described = embedding.describe(column.key, column.name)
        described_index = self._describe(embedding.distance)
        check_index(described, described_index)
        if self.name is None and _default_name_applies(table.metadata):
            self.name = quoted_name(self._default_name(table.name, column.name), quote=None)
        expression = index_expression(column, described, described_index, embedding.extension_schema)
        if expression is not column:
            expression = expression.label(column.key)
        self.expressions = [expression]
        operator_class = _operator_class(embedding, described_index)
        self.dialect_options["postgresql"]["ops"] = {column.key: operator_class}

    def _describe(self, distance: Distance) -> VectorIndex:
        return VectorIndex(
            name=self.name,
            method=self.method,
            distance=distance,
            quantization=self.quantization,
            dimensions=self.dimensions,
            partial=self.dialect_options["postgresql"]["where"] is not None,
        )

    def _find_column(self, table: sa.Table) -> sa.Column[Any]:
        (given,) = self.expressions
        key = given if isinstance(given, str) else getattr(given, "key", None)
        column = table.c.get(key) if key is not None else None
        if column is None:
            raise NotAnEmbeddingColumnError(
                f"{type(self).__name__}({str(given)!r}): the table {table.fullname!r} has no such column, only "
                f"{', '.join(table.c.keys())}; name the column as the table does, or give the attribute itself"
            )
        return column

    def _default_name(self, table: str, column: str) -> str:
        parts = ["ix", table, column, self.method.value]
        parts += [self.quantization.value] if self.quantization is not None else []
        parts += [str(self.dimensions)] if self.dimensions is not None else []
        name = "_".join(parts)
        encoded = name.encode()
        if len(encoded) <= _LONGEST_NAME:
            return name
        # Postgres would cut the end off, where the names of two indexes differ.
        mark = "_" + hashlib.sha256(encoded).hexdigest()[:8]
        return encoded[: _LONGEST_NAME - len(mark)].decode(errors="ignore") + mark


class HnswIndex(_VectorIndex):
    """An HNSW index; its operator class follows from the distance of the column.

    Args:
        column: The column, its name in the table, or the attribute.
        m: Connections of each element, 2 to 100; pgvector's default is 16.
        ef_construction: Candidates kept while building, 4 to 1,000 and at least twice ``m``; pgvector's default is 64.
        quantization: ``halfvec`` (half the size) or ``bit`` (a 32nd, signs only): what the index holds instead of the
            column's type. Searches compare the candidates again by the full vectors.
        dimensions: Number of leading dimensions to index, for models trained so that those suffice.
        where: Condition on the rows to index; only searches that state it use the index.
        name: Name of the index; None takes it from the naming convention of the metadata, or from table, column and options.
        postgresql_concurrently: Build without blocking writes; not possible inside a transaction.

    Raises:
        InvalidOptionError: An option is out of its range.
        MappingError: pgvector cannot build such an index on the column; the message names the way out.
    """

    method = IndexMethod.HNSW

    def __init__(
        self,
        column: _IndexedColumn,
        *,
        m: int | None = None,
        ef_construction: int | None = None,
        quantization: VectorType | str | None = None,
        dimensions: int | None = None,
        where: _Condition | None = None,
        name: str | None = None,
        postgresql_concurrently: bool = False,
    ) -> None:
        options = {}
        if m is not None:
            options["m"] = whole_number(m, "m", 2, 100)
        if ef_construction is not None:
            options["ef_construction"] = whole_number(ef_construction, "ef_construction", 4, 1000)
        needed = 2 * options.get("m", _DEFAULT_M)
        if (given := options.get("ef_construction", _DEFAULT_EF_CONSTRUCTION)) < needed:
            raise InvalidOptionError(
                f"ef_construction={given} is less than twice m={needed // 2}: give ef_construction={needed} or more"
            )
        super().__init__(
            column,
            options=options,
            quantization=quantization,
            dimensions=dimensions,
            where=where,
            name=name,
            concurrently=postgresql_concurrently,
        )


class IvfflatIndex(_VectorIndex):
    """An IVFFlat index; its operator class follows from the distance of the column.

    It finds its lists in the rows that are there when it is built: load first, then create it.

    Args:
        column: The column, its name in the table, or the attribute.
        lists: Number of lists, 1 to 32,768; pgvector's default is 100, its advice rows / 1,000.
        quantization: As for :class:`HnswIndex`.
        dimensions: As for :class:`HnswIndex`.
        where: As for :class:`HnswIndex`.
        name: As for :class:`HnswIndex`.
        postgresql_concurrently: As for :class:`HnswIndex`.

    Raises:
        InvalidOptionError: An option is out of its range.
        MappingError: pgvector cannot build such an index on the column; the message names the way out.
    """

    method = IndexMethod.IVFFLAT

    def __init__(
        self,
        column: _IndexedColumn,
        *,
        lists: int | None = None,
        quantization: VectorType | str | None = None,
        dimensions: int | None = None,
        where: _Condition | None = None,
        name: str | None = None,
        postgresql_concurrently: bool = False,
    ) -> None:
        super().__init__(
            column,
            options={} if lists is None else {"lists": whole_number(lists, "lists", 1, 32_768)},
            quantization=quantization,
            dimensions=dimensions,
            where=where,
            name=name,
            concurrently=postgresql_concurrently,
        )


@sa.event.listens_for(_VectorIndex, "before_parent_attach")
def _adapt(index: _VectorIndex, table: sa.Table) -> None:
    index.adapt_to(table)


def _operator_class(embedding: Embedding, index: VectorIndex) -> str:
    stored = index.quantization or embedding.type
    name = f"{stored.value}_{_stored_distance(index).operator_class_suffix}"
    return name if embedding.extension_schema is None else f"{quote_identifier(embedding.extension_schema)}.{name}"


def _stored_distance(index: VectorIndex) -> Distance:
    """Return the distance between what the index holds: signs are compared by counting those that differ."""
    return Distance.HAMMING if index.quantization is VectorType.BIT else index.distance


def _default_name_applies(metadata: sa.MetaData) -> bool:
    # SQLAlchemy's own convention names the column only: two indexes on one column would have one name.
    return metadata.naming_convention.get("ix") in {None, sa.MetaData().naming_convention["ix"]}


def _no_embedding(column: sa.Column[Any], method: IndexMethod) -> MappingError:
    if describe_type(column.type, column.key, column.name) is None:
        return NotAnEmbeddingColumnError(
            f"{column.name!r} is of type {column.type!r}, not an Embedding: it holds no vectors"
        )
    return MappingError(
        f"{column.name!r} is of type {column.type!r}, which does not say by which distance it is compared: declare it as "
        f"Embedding(..., distance=...), or use Index(..., postgresql_using={method.value!r}, postgresql_ops=...)"
    )
