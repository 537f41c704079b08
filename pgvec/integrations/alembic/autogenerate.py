"""The comparisons that autogenerate runs, and the order that their operations need."""

from __future__ import annotations

import logging
import re
import warnings
from typing import Any

import pgvector.sqlalchemy
import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import (
    DropTableOp,
    ExecuteSQLOp,
    MigrateOperation,
    ModifyTableOps,
    UpgradeOps,
)
from alembic.util import PriorityDispatchResult
from sqlalchemy.dialects.postgresql.base import PGDialect

from pgvec.integrations.alembic.columns import change_columns, dropped_columns, storages_of_dropped
from pgvec.integrations.alembic.indexes import change_indexes
from pgvec.integrations.alembic.operations import (
    AlterEmbeddingOp,
    CreateVectorIndexOp,
    DropVectorIndexOp,
    RebuildVectorIndexOp,
    UpgradePgvecOp,
)
from pgvec.integrations.alembic.rendering import render_types
from pgvec.integrations.alembic.snapshot import ComparedTable, Snapshot, snapshot_of, take_snapshot
from pgvec.integrations.alembic.types import StoredVector
from pgvec.model import VectorType
from pgvec.orm.column_types import describe_type, find_embedding
from pgvec.orm.embedding import quote_identifier
from pgvec.orm.index_definition import is_vector_index
from pgvec.sql import SCHEMA, scripts

__all__ = ["compare_table", "finish", "leave_out_schema", "prepare"]

log = logging.getLogger(__name__)

_OF_EXTENSION = (VectorType.VECTOR, VectorType.HALFVEC, VectorType.SPARSEVEC)


def prepare(context: AutogenContext, _operations: UpgradeOps) -> PriorityDispatchResult:
    """Read the catalog, and make vector types readable and writable, before Alembic compares."""
    snapshot = take_snapshot(context)
    _recognise_types(context.dialect, snapshot)
    render_types(context)
    _ignore_doubts_of_alembic(context)
    return PriorityDispatchResult.CONTINUE


def leave_out_schema(
    _context: AutogenContext, _operations: UpgradeOps, schemas: set[str | None]
) -> PriorityDispatchResult:
    """Leave pgvec's own tables out of what is compared."""
    schemas.discard(SCHEMA)
    return PriorityDispatchResult.CONTINUE


def compare_table(*arguments: Any) -> PriorityDispatchResult:
    """Compare what is special about a table with vectors, after Alembic has compared the rest."""
    table = ComparedTable(*arguments)
    change_columns(table)
    change_indexes(table)
    return PriorityDispatchResult.CONTINUE


def finish(context: AutogenContext, operations: UpgradeOps) -> PriorityDispatchResult:
    """Put the operations into an order in which they run, both ways.

    An index is dropped before its column changes and built when all else is done: building concurrently commits what went
    before. They stand outside of ``batch_alter_table``, which does not know them.
    """
    snapshot = snapshot_of(context)
    first: list[MigrateOperation] = [*_pending_scripts(context, snapshot)]
    middle: list[MigrateOperation] = []
    last: list[MigrateOperation] = []
    for operation in operations.ops:
        if _is_own(operation, snapshot):
            continue
        if not isinstance(operation, ModifyTableOps):
            middle.append(operation)
            continue
        before, after = _take_out(operation, first, last)
        existing = snapshot.columns_of(operation.table_name, operation.schema)
        before += storages_of_dropped(existing, dropped_columns(operation), operation.schema)
        middle += [*before, *([] if operation.is_empty() else [operation]), *after]
    operations.ops[:] = [*first, *middle, *last]
    return PriorityDispatchResult.CONTINUE


def _take_out(
    operation: ModifyTableOps, first: list[MigrateOperation], last: list[MigrateOperation]
) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
    """Take pgvec's operations out of a table's; return those that go directly before and after it."""
    before: list[MigrateOperation] = []
    after: list[MigrateOperation] = []
    rest: list[MigrateOperation] = []
    places: list[tuple[type[Any] | tuple[type[Any], ...], list[MigrateOperation]]] = [
        (DropVectorIndexOp, first),
        ((CreateVectorIndexOp, RebuildVectorIndexOp), last),
        (AlterEmbeddingOp, after),
        (ModifyTableOps, before),
    ]
    for inner in operation.ops:
        next((place for kind, place in places if isinstance(inner, kind)), rest).append(inner)
    operation.ops[:] = rest
    return before, after


def _is_own(operation: MigrateOperation, snapshot: Snapshot) -> bool:
    """Tell whether an operation is about a table of pgvec."""
    if not isinstance(operation, ModifyTableOps | DropTableOp):
        return False
    if operation.schema is None:
        return operation.table_name in snapshot.own_tables
    return operation.schema == SCHEMA


def _pending_scripts(context: AutogenContext, snapshot: Snapshot) -> list[MigrateOperation]:
    """Return what the extension and pgvec's own schema need, where the models have vectors at all."""
    types = [column.type for table in context.sorted_tables for column in table.columns]
    if not any(describe_type(type_, "", "") for type_ in types):
        return []
    declared = (find_embedding(type_) for type_ in types)
    schema = next((found.extension_schema for found in declared if found and found.extension_schema), None)
    schema = schema if snapshot.extension_schema is None else None
    pending = []
    if context.opts.get("pgvec_schema", True) and snapshot.applied is not None:
        pending = [script.name for script in scripts() if script.name not in snapshot.applied]
    for name in pending:
        log.info("Detected pending script of pgvec %r", name)
    if snapshot.extension_schema is None and "0002_extension" not in pending:
        return [_CreateExtensionOp(schema)]
    return [UpgradePgvecOp(name, extension_schema=schema if name == "0002_extension" else None) for name in pending]


class _CreateExtensionOp(ExecuteSQLOp):
    """Installs the extension, which stays on the way back: other columns may need it."""

    def __init__(self, schema: str | None) -> None:
        place = "" if schema is None else f" SCHEMA {quote_identifier(schema)}"
        super().__init__(f"CREATE EXTENSION IF NOT EXISTS vector{place}")

    def reverse(self) -> MigrateOperation:
        """Return an operation that does nothing."""
        return ModifyTableOps("", [])


def _recognise_types(dialect: sa.Dialect, snapshot: Snapshot) -> None:
    """Let SQLAlchemy read vector columns also where the schema of the extension is not on the ``search_path``."""
    # pgvector-python registers its types for their bare names when it is imported.
    assert pgvector.sqlalchemy
    if snapshot.extension_schema is None or snapshot.extension_visible:
        return
    schema = snapshot.extension_schema
    qualified = {f"{quote_identifier(schema)}.{kind.value}".lower(): _reader(kind, schema) for kind in _OF_EXTENSION}
    assert isinstance(dialect, PGDialect)
    dialect.ischema_names = {**dialect.ischema_names, **qualified}


def _ignore_doubts_of_alembic(context: AutogenContext) -> None:
    """Keep Alembic from warning of vector indexes that it cannot compare: they are compared here."""
    for table in context.sorted_tables:
        for index in filter(is_vector_index, table.indexes):
            text = (
                rf"Expression #1 .* in index {re.escape(repr(str(index.name)))} detected to include an operator clause"
            )
            warnings.filterwarnings("ignore", message=text)


def _reader(kind: VectorType, schema: str) -> Any:
    def read(dimensions: int | None = None, **_options: Any) -> StoredVector:
        return StoredVector(kind, dimensions, schema)

    return read
