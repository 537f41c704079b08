"""Compares vector columns: type, dimensions and storage."""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import AddColumnOp, AlterColumnOp, DropColumnOp, MigrateOperation, ModifyTableOps
from alembic.util import PriorityDispatchResult

from pgvec.integrations.alembic.column_change import ColumnChange
from pgvec.integrations.alembic.operations import AlterEmbeddingOp
from pgvec.integrations.alembic.snapshot import ComparedTable, snapshot_of
from pgvec.model import VectorColumn, VectorType
from pgvec.model.catalog import CatalogColumn
from pgvec.orm.column_types import describe_type, find_embedding

__all__ = ["change_columns", "compare_type", "dropped_columns", "storages_of_dropped"]

log = logging.getLogger(__name__)

_PLAIN = "plain"


def compare_type(  # noqa: PLR0917 - Alembic's signature
    context: AutogenContext,
    operation: AlterColumnOp,
    schema: str | None,
    table: str,
    column: str,
    found: sa.Column[Any],
    declared: sa.Column[Any],
) -> PriorityDispatchResult:
    """Compare the type of a vector column; other columns are Alembic's."""
    existing = snapshot_of(context).columns_of(table, schema).get(column)
    wanted = describe_type(declared.type, column, column)
    if existing is None or wanted is None:
        return PriorityDispatchResult.CONTINUE
    operation.existing_type = found.type
    if (existing.type, existing.dimensions) != (wanted.type, _dimensions(wanted)):
        operation.modify_type = declared.type
        log.info("Detected type change of the vector column '%s.%s'", table, column)
    return PriorityDispatchResult.STOP


def change_columns(table: ComparedTable) -> None:
    """Put changes of vector columns into operations that know what they do to vectors."""
    existing = snapshot_of(table.context).columns_of(table.name, table.schema)
    operations = table.operations.ops
    if table.declared is None:
        operations += storages_of_dropped(existing, list(existing), table.schema)
        return
    added = {operation.column.name for operation in operations if isinstance(operation, AddColumnOp)}
    changed = _take_type_changes(table.operations, existing)
    for column in table.declared.columns:
        wanted = describe_type(column.type, column.name, column.name)
        if wanted is None:
            continue
        if table.found is None or column.name in added:
            if _wants_plain(column):
                change = ColumnChange(table.name, column.name, storage=_PLAIN, schema=table.schema)
                operations.append(AlterEmbeddingOp(change, with_column=True))
        elif column.name in existing and _is_included(table, column, table.found):
            operations += _alter(table, column, wanted, existing[column.name], type_changes=column.name in changed)


def storages_of_dropped(
    existing: dict[str, CatalogColumn], names: list[str], schema: str | None
) -> list[MigrateOperation]:
    """Return what a way back needs, after the columns are there again, to give them their storages."""
    return [
        AlterEmbeddingOp(
            ColumnChange(column.table, column.name, storage=column.storage, schema=schema), with_column=True
        ).reverse()
        for column in map(existing.get, names)
        if column is not None and column.storage != column.default_storage
    ]


def dropped_columns(operations: ModifyTableOps) -> list[str]:
    """Return the names of the columns that Alembic drops from a table."""
    return [operation.column_name for operation in operations.ops if isinstance(operation, DropColumnOp)]


def _take_type_changes(operations: ModifyTableOps, existing: dict[str, CatalogColumn]) -> set[str]:
    """Take changes of vector types out of Alembic's operations, and return the columns."""
    changed = set()
    for operation in list(operations.ops):
        if not isinstance(operation, AlterColumnOp) or operation.modify_type is None:
            continue
        name = operation.column_name
        if name not in existing or describe_type(operation.modify_type, name, name) is None:
            continue
        changed.add(name)
        operation.modify_type = None
        if not operation.has_changes():
            operations.ops.remove(operation)
    return changed


def _alter(
    table: ComparedTable,
    column: sa.Column[Any],
    wanted: VectorColumn,
    existing: CatalogColumn,
    *,
    type_changes: bool,
) -> list[MigrateOperation]:
    storage = _storage_to_set(column, existing)
    if not type_changes:
        if storage is None:
            return []
        change = ColumnChange(
            table.name, column.name, storage=storage, existing_storage=existing.storage, schema=table.schema
        )
        return [AlterEmbeddingOp(change)]
    is_special = storage is not None or existing.storage != existing.default_storage
    change = ColumnChange(
        table.name,
        column.name,
        type=wanted.type.value,
        dimensions=_dimensions(wanted),
        existing_type=existing.type.value,
        existing_dimensions=existing.dimensions,
        storage=storage,
        existing_storage=existing.storage if is_special else None,
        schema=table.schema,
        extension_schema=existing.type_schema,
    )
    return [AlterEmbeddingOp(change)]


def _storage_to_set(column: sa.Column[Any], existing: CatalogColumn) -> str | None:
    """Return the storage that a model asks for and a column lacks; where the model can say nothing, it asks for nothing."""
    if find_embedding(column.type) is None or _wants_plain(column) == (existing.storage == _PLAIN):
        return None
    return _PLAIN if _wants_plain(column) else existing.default_storage


def _wants_plain(column: sa.Column[Any]) -> bool:
    embedding = find_embedding(column.type)
    return embedding is not None and embedding.storage == _PLAIN


def _dimensions(column: VectorColumn) -> int | None:
    # To Postgres, bit is bit(1).
    return 1 if column.type is VectorType.BIT and column.dimensions is None else column.dimensions


def _is_included(table: ComparedTable, column: sa.Column[Any], found: sa.Table) -> bool:
    name, context = column.name, table.context
    return context.run_name_filters(
        name, "column", {"table_name": table.name, "schema_name": table.schema}
    ) and context.run_object_filters(column, name, "column", False, found.columns[name])
