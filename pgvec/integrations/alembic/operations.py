"""The operations that migrations call as ``op.create_vector_index(...)`` and so on; each knows its own way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import ModifyTableOps

from pgvec.errors import InvalidOptionError
from pgvec.integrations.alembic.column_change import ColumnChange, VectorValues
from pgvec.orm.index_definition import IndexDefinition
from pgvec.orm.rules import choose

__all__ = [
    "AlterEmbeddingOp",
    "CreateVectorIndexOp",
    "DowngradePgvecOp",
    "DropVectorIndexOp",
    "RebuildVectorIndexOp",
    "UpgradePgvecOp",
]


@Operations.register_operation("create_vector_index")
class CreateVectorIndexOp(MigrateOperation):
    """Create a vector index."""

    def __init__(self, definition: IndexDefinition, *, concurrently: bool = False) -> None:
        self.definition = definition
        self.concurrently = concurrently

    @classmethod
    def create_vector_index(
        cls,
        operations: Operations,
        index_name: str,
        table_name: str,
        column: str | None = None,
        *,
        operator_class: str | None = None,
        method: str = "hnsw",
        expression: str | None = None,
        options: Mapping[str, int] | None = None,
        where: str | None = None,
        schema: str | None = None,
        tablespace: str | None = None,
        concurrently: bool = False,
    ) -> None:
        """Create an HNSW or IVFFlat index.

        Args:
            operations: Given by Alembic.
            index_name: Name of the index.
            table_name: The table.
            column: The column to index, or None where ``expression`` says what.
            operator_class: pgvector's, such as ``vector_cosine_ops``, with its schema where the ``search_path`` lacks it. None
                takes the default, which only IVFFlat has, for the l2 distance.
            method: ``hnsw`` or ``ivfflat``.
            expression: SQL such as ``embedding::halfvec(384)``.
            options: ``m``, ``ef_construction`` or ``lists``.
            where: SQL condition of a partial index.
            schema: Postgres schema of the table.
            tablespace: Where to keep the index.
            concurrently: Build without blocking writes. The migration's transaction is committed before, and another begun
                after. Run again after an interruption it replaces the INVALID index that was left, and leaves alone one
                that is complete.
        """
        definition = IndexDefinition(
            name=index_name,
            table=table_name,
            column=column,
            operator_class=operator_class,
            method=method,
            expression=expression,
            options=options or {},
            where=where,
            schema=schema,
            tablespace=tablespace,
        )
        operations.invoke(cls(definition, concurrently=concurrently))

    def reverse(self) -> DropVectorIndexOp:
        """Return the operation that takes this one back."""
        made = self.definition
        return DropVectorIndexOp(
            made.name, made.table, schema=made.schema, concurrently=self.concurrently, definition=made
        )

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` prints."""
        return "add_vector_index", self.definition


@Operations.register_operation("drop_vector_index")
class DropVectorIndexOp(MigrateOperation):
    """Drop a vector index."""

    def __init__(
        self,
        index_name: str,
        table_name: str,
        *,
        schema: str | None = None,
        concurrently: bool = False,
        definition: IndexDefinition | None = None,
    ) -> None:
        self.index_name = index_name
        self.table_name = table_name
        self.schema = schema
        self.concurrently = concurrently
        self.definition = definition

    @classmethod
    def drop_vector_index(
        cls,
        operations: Operations,
        index_name: str,
        table_name: str,
        *,
        schema: str | None = None,
        concurrently: bool = False,
    ) -> None:
        """Drop an index.

        Args:
            operations: Given by Alembic.
            index_name: Name of the index.
            table_name: The table.
            schema: Postgres schema of the table.
            concurrently: Wait for no lock; the migration's transaction is committed before. An index that is not there is
                no error then, so that an interrupted migration can be run again.
        """
        operations.invoke(cls(index_name, table_name, schema=schema, concurrently=concurrently))

    def reverse(self) -> CreateVectorIndexOp:
        """Return the operation that takes this one back."""
        if self.definition is None:
            raise InvalidOptionError(f"what the index {self.index_name!r} was is not known, so it cannot be made again")
        return CreateVectorIndexOp(self.definition, concurrently=self.concurrently)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` prints."""
        return "remove_vector_index", self.definition or self.index_name


@Operations.register_operation("rebuild_vector_index")
class RebuildVectorIndexOp(MigrateOperation):
    """Rebuild a vector index."""

    def __init__(
        self, index_name: str, table_name: str, *, schema: str | None = None, concurrently: bool = True
    ) -> None:
        self.index_name = index_name
        self.table_name = table_name
        self.schema = schema
        self.concurrently = concurrently

    @classmethod
    def rebuild_vector_index(
        cls,
        operations: Operations,
        index_name: str,
        table_name: str,
        *,
        schema: str | None = None,
        concurrently: bool = True,
    ) -> None:
        """Build an index anew, after many deletes and updates, or where a killed build left it INVALID.

        Args:
            operations: Given by Alembic.
            index_name: Name of the index.
            table_name: The table.
            schema: Postgres schema of the table.
            concurrently: As for ``op.create_vector_index``; what an interrupted rebuild left is dropped first.
        """
        operations.invoke(cls(index_name, table_name, schema=schema, concurrently=concurrently))

    def reverse(self) -> MigrateOperation:
        """Return an operation that does nothing: the index is what it was."""
        return ModifyTableOps(self.table_name, [], schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` prints."""
        return "rebuild_vector_index", self.index_name


@Operations.register_operation("alter_embedding")
class AlterEmbeddingOp(MigrateOperation):
    """Change type, dimensions or storage of a vector column."""

    def __init__(self, change: ColumnChange, *, with_column: bool = False) -> None:
        """Hold a change.

        Args:
            change: What changes.
            with_column: Whether the migration adds the column too, so that the way back need do nothing.
        """
        self.change = change
        self.with_column = with_column

    @classmethod
    def alter_embedding(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        *,
        type: str | None = None,  # noqa: A002 - the name that Embedding has for it
        dimensions: int | None = None,
        existing_type: str | None = None,
        existing_dimensions: int | None = None,
        storage: str | None = None,
        existing_storage: str | None = None,
        values: str = "keep",
        schema: str | None = None,
        extension_schema: str | None = None,
    ) -> None:
        """Change type, number of dimensions or storage of a vector column.

        Args:
            operations: Given by Alembic.
            table_name: The table.
            column_name: The column.
            type: ``vector``, ``halfvec``, ``sparsevec`` or ``bit``; None leaves the type.
            dimensions: Number of dimensions; None with ``type`` leaves the number open.
            existing_type: What it was.
            existing_dimensions: What it was.
            storage: ``plain``, ``external``, ``extended`` or ``main``; rows that are there keep theirs until they are written.
            existing_storage: What it was.
            values: What becomes of the vectors: ``keep`` them (another type may round them; another number of dimensions is
                refused unless the column is empty), ``truncate`` to the leading dimensions, ``quantize`` to bits by sign, or
                ``clear`` to NULL.
            schema: Postgres schema of the table.
            extension_schema: Schema of the extension, where the ``search_path`` lacks it.

        Raises:
            InvalidOptionError: The change cannot be made this way; the message names the ways out.
        """
        change = ColumnChange(
            table=table_name,
            column=column_name,
            type=type,
            dimensions=dimensions,
            existing_type=existing_type,
            existing_dimensions=existing_dimensions,
            storage=storage,
            existing_storage=existing_storage,
            values=choose(VectorValues, values, "values"),
            schema=schema,
            extension_schema=extension_schema,
        )
        operations.invoke(cls(change))

    def reverse(self) -> MigrateOperation:
        """Return the operation that takes this one back."""
        if self.with_column:
            return _StorageOfDroppedOp(self.change)
        return AlterEmbeddingOp(self.change.reversed())

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` prints."""
        return "alter_embedding", self.change


class _StorageOfDroppedOp(ModifyTableOps):
    """Does nothing to a column that is dropped with its storage; the way back adds the column, and then sets it."""

    def __init__(self, change: ColumnChange) -> None:
        super().__init__(change.table, [], schema=change.schema)
        self.change = change

    def reverse(self) -> AlterEmbeddingOp:  # type: ignore[override]  # Alembic calls it as any operation's
        """Return the operation that takes this one back."""
        return AlterEmbeddingOp(self.change, with_column=True)


@Operations.register_operation("upgrade_pgvec")
class UpgradePgvecOp(MigrateOperation):
    """Run one of pgvec's own scripts."""

    def __init__(self, script: str, *, extension_schema: str | None = None) -> None:
        self.script = script
        self.extension_schema = extension_schema

    @classmethod
    def upgrade_pgvec(cls, operations: Operations, script: str, *, extension_schema: str | None = None) -> None:
        """Run a script of the schema ``pgvec``; one that was run before is left alone.

        Args:
            operations: Given by Alembic.
            script: Its name, ``0002_extension``.
            extension_schema: Where to install the extension if it is missing.
        """
        operations.invoke(cls(script, extension_schema=extension_schema))

    def reverse(self) -> DowngradePgvecOp:
        """Return the operation that takes this one back."""
        return DowngradePgvecOp(self.script)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` prints."""
        return "upgrade_pgvec", self.script


@Operations.register_operation("downgrade_pgvec")
class DowngradePgvecOp(MigrateOperation):
    """Take one of pgvec's own scripts back."""

    def __init__(self, script: str) -> None:
        self.script = script

    @classmethod
    def downgrade_pgvec(cls, operations: Operations, script: str) -> None:
        """Take a script of the schema ``pgvec`` back; one that was not run is left alone.

        Args:
            operations: Given by Alembic.
            script: Its name, ``0002_extension``.
        """
        operations.invoke(cls(script))

    def reverse(self) -> UpgradePgvecOp:
        """Return the operation that takes this one back."""
        return UpgradePgvecOp(self.script)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` prints."""
        return "downgrade_pgvec", self.script
