"""What the operations do, on a connection or into a script of SQL."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.exc import DBAPIError

from pgvec.errors import ConfigurationError, InvalidOptionError
from pgvec.execution import index_catalog as catalog
from pgvec.execution.index_build import Reindex
from pgvec.integrations.alembic.column_change import ColumnChange
from pgvec.integrations.alembic.operations import (
    AlterEmbeddingOp,
    CreateVectorIndexOp,
    DowngradePgvecOp,
    DropVectorIndexOp,
    RebuildVectorIndexOp,
    UpgradePgvecOp,
)
from pgvec.orm.index_definition import IndexDefinition
from pgvec.orm.storage import SetStorage

__all__: list[str] = []

log = logging.getLogger(__name__)

# pgvector reports a wrong number of dimensions as a data exception, Postgres a wrong length of bits.
_DOES_NOT_FIT = ("22000", "22026")
_NOT_NULL = "23502"


@Operations.implementation_for(CreateVectorIndexOp)
def _create_vector_index(operations: Operations, operation: CreateVectorIndexOp) -> None:
    definition = operation.definition
    with _transaction(operations, concurrently=operation.concurrently):
        if operation.concurrently and not operations.migration_context.as_sql and _is_there(operations, definition):
            return
        operations.impl.create_index(definition.to_index(concurrently=operation.concurrently))


@Operations.implementation_for(DropVectorIndexOp)
def _drop_vector_index(operations: Operations, operation: DropVectorIndexOp) -> None:
    index = _bare_index(operation.index_name, operation.table_name, operation.schema, operation.concurrently)
    with _transaction(operations, concurrently=operation.concurrently):
        operations.impl.drop_index(index, if_exists=True if operation.concurrently else None)


@Operations.implementation_for(RebuildVectorIndexOp)
def _rebuild_vector_index(operations: Operations, operation: RebuildVectorIndexOp) -> None:
    index = _bare_index(operation.index_name, operation.table_name, operation.schema, operation.concurrently)
    with _transaction(operations, concurrently=operation.concurrently):
        if operation.concurrently and not operations.migration_context.as_sql:
            _drop_rebuilding_leftovers(operations, index)
        operations.execute(Reindex(index, concurrently=operation.concurrently))


@Operations.implementation_for(AlterEmbeddingOp)
def _alter_embedding(operations: Operations, operation: AlterEmbeddingOp) -> None:
    change = operation.change
    if change.changes_type:
        using = change.using()
        compiled = None if using is None else str(using.compile(dialect=operations.impl.dialect))
        with _explained(change):
            operations.impl.alter_column(
                change.table,
                change.column,
                type_=change.stored_type(),
                schema=change.schema,
                postgresql_using=compiled,
            )
    if change.new_storage is not None:
        column = sa.Column(change.column, sa.types.NullType())
        sa.Table(change.table, sa.MetaData(), column, schema=change.schema)
        operations.execute(SetStorage(column, change.new_storage))


@Operations.implementation_for(UpgradePgvecOp)
def _upgrade_pgvec(operations: Operations, operation: UpgradePgvecOp) -> None:
    from pgvec.execution import scripts  # noqa: PLC0415 - it imports alembic.op, which is not there while plugins are loaded

    scripts.upgrade_pgvec(
        operation.script, context=operations.migration_context, extension_schema=operation.extension_schema
    )


@Operations.implementation_for(DowngradePgvecOp)
def _downgrade_pgvec(operations: Operations, operation: DowngradePgvecOp) -> None:
    from pgvec.execution import scripts  # noqa: PLC0415 - as above

    scripts.downgrade_pgvec(operation.script, context=operations.migration_context)


@contextmanager
def _transaction(operations: Operations, *, concurrently: bool) -> Iterator[None]:
    """Leave the migration's transaction where Postgres demands it."""
    context = operations.migration_context
    if not concurrently:
        yield
        return
    if getattr(context, "_in_external_transaction", False):
        raise ConfigurationError(
            "Postgres builds no index concurrently inside of a transaction, and this one was begun outside of Alembic: give "
            "the environment a connection without one, or concurrently=False"
        )
    with context.autocommit_block():
        yield


def _bare_index(name: str, table: str, schema: str | None, concurrently: bool) -> sa.Index:
    """Return an index of which only the name matters."""
    return IndexDefinition(name, table, name, "", schema=schema).to_index(concurrently=concurrently)


def _is_there(operations: Operations, definition: IndexDefinition) -> bool:
    """Tell whether an earlier run of the migration has completed the index; what it left incomplete is dropped."""
    connection = operations.get_bind()
    for found in catalog.indexes_of(connection, definition.table, definition.schema):
        if found.name != definition.name:
            continue
        if not found.valid:
            log.info("dropping the INVALID index %s, which an interrupted build left", definition.name)
            operations.impl.drop_index(definition.to_index(concurrently=True))
            return False
        wanted = catalog.as_postgres_writes_it(connection, definition)
        if wanted is not None and wanted.contents == found.contents:
            log.info("the index %s is there already", definition.name)
            return True
    return False


def _drop_rebuilding_leftovers(operations: Operations, index: sa.Index) -> None:
    """Drop what an interrupted ``REINDEX CONCURRENTLY`` left beside the index."""
    table = index.table
    assert table is not None, "it was made with one"
    for name in catalog.rebuilding_leftovers(operations.get_bind(), str(index.name), table.name, table.schema):
        log.info("dropping the INVALID index %s, which an interrupted rebuild left", name)
        operations.impl.drop_index(_bare_index(name, table.name, table.schema, True), if_exists=True)


@contextmanager
def _explained(change: ColumnChange) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        state = catalog.sqlstate(error)
        if state in _DOES_NOT_FIT:
            raise change.refusal() from error
        if state == _NOT_NULL:
            raise InvalidOptionError(
                f"values='clear' sets {change.what} to NULL, which is NOT NULL: drop that first, and set it again once the "
                "rows are embedded"
            ) from error
        raise
