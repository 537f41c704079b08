"""Compares vector indexes with operator class, options, condition and expression."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import CreateIndexOp, DropIndexOp, MigrateOperation

from pgvec.errors import AccessDeniedError
from pgvec.execution.index_catalog import as_postgres_writes_it
from pgvec.integrations.alembic.operations import CreateVectorIndexOp, DropVectorIndexOp, RebuildVectorIndexOp
from pgvec.integrations.alembic.snapshot import ComparedTable, snapshot_of
from pgvec.model import IndexMethod
from pgvec.model.catalog import CatalogIndex
from pgvec.orm.index_definition import IndexDefinition, is_vector_index

__all__ = ["change_indexes"]

log = logging.getLogger(__name__)


def change_indexes(table: ComparedTable) -> None:
    """Replace what Alembic makes of vector indexes by what they need."""
    existing = {
        name: index
        for name, index in snapshot_of(table.context).indexes_of(table.name, table.schema).items()
        if table.context.run_name_filters(name, "index", {"table_name": table.name, "schema_name": table.schema})
    }
    operations = table.operations.ops
    operations[:] = [operation for operation in operations if not _is_on_vectors(operation, existing)]
    wanted = {} if table.declared is None else _declared(table.context, table.declared)
    comparison = _Comparison(table.context, table.schema, concurrently=_concurrently(table))
    for name in sorted(existing.keys() - wanted.keys()):
        operations += comparison.removed(existing[name])
    for name in sorted(wanted):
        operations += comparison.wanted(wanted[name], name, existing.get(name))


class _Comparison:
    """Compares the indexes of one table."""

    def __init__(self, context: AutogenContext, schema: str | None, *, concurrently: bool) -> None:
        self._context = context
        self._schema = schema
        self._concurrently = concurrently

    def removed(self, existing: CatalogIndex) -> list[MigrateOperation]:
        """Return what to do with an index that no model declares."""
        definition = IndexDefinition.from_catalog(existing, self._schema)
        if not self._included(definition.to_index(), existing.name, reflected=True, compare_to=None):
            return []
        log.info("Detected removed vector index '%s'", existing.name)
        return [self._drop(definition)]

    def wanted(self, index: sa.Index, name: str, existing: CatalogIndex | None) -> list[MigrateOperation]:
        """Return what to do for an index that a model declares."""
        definition = replace(IndexDefinition.from_index(index, name), schema=self._schema)
        if existing is None:
            if not self._included(index, name, reflected=False, compare_to=None):
                return []
            log.info("Detected added vector index '%s'", name)
            return [CreateVectorIndexOp(definition, concurrently=self._concurrently)]
        was = IndexDefinition.from_catalog(existing, self._schema)
        if not self._included(index, name, reflected=False, compare_to=was.to_index()):
            return []
        if self._differs(definition, existing):
            log.info("Detected changed vector index '%s'", name)
            return [self._drop(was), CreateVectorIndexOp(definition, concurrently=self._concurrently)]
        if not existing.valid:
            log.info("Detected INVALID vector index '%s'", name)
            return [RebuildVectorIndexOp(name, existing.table, schema=self._schema)]
        return []

    def _differs(self, definition: IndexDefinition, existing: CatalogIndex) -> bool:
        connection = self._context.connection
        assert connection is not None, "autogenerate compares with a database"
        try:
            written = as_postgres_writes_it(connection, definition)
        except AccessDeniedError as error:
            log.warning("%s; taken for unchanged", error)
            return False
        return written is None or written.contents != existing.contents

    def _drop(self, definition: IndexDefinition) -> DropVectorIndexOp:
        return DropVectorIndexOp(
            definition.name,
            definition.table,
            schema=definition.schema,
            concurrently=self._concurrently,
            definition=definition,
        )

    def _included(self, index: sa.Index, name: str, *, reflected: bool, compare_to: sa.Index | None) -> bool:
        return self._context.run_object_filters(index, name, "index", reflected, compare_to)


def _concurrently(table: ComparedTable) -> bool:
    """Tell whether indexes of a table are built without blocking its writers.

    Nobody writes to a table that the migration itself makes or drops, and Postgres cannot do it for a partitioned one.
    """
    if table.found is None or table.declared is None:
        return False
    columns = snapshot_of(table.context).columns_of(table.name, table.schema).values()
    return bool(table.context.opts.get("pgvec_concurrently", True)) and not any(found.partitioned for found in columns)


def _declared(context: AutogenContext, table: sa.Table) -> dict[str, sa.Index]:
    preparer = context.dialect.identifier_preparer
    named = ((preparer.format_index(index), index) for index in table.indexes if is_vector_index(index))
    return {str(preparer.unformat_identifiers(name)[0]): index for name, index in named}


def _is_on_vectors(operation: MigrateOperation, existing: dict[str, CatalogIndex]) -> bool:
    if isinstance(operation, DropIndexOp):
        return operation.index_name in existing
    if not isinstance(operation, CreateIndexOp):
        return False
    using: Any = operation.kw.get("postgresql_using")
    return str(using or "").lower() in set(IndexMethod)
