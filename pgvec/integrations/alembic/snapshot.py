"""What one run of autogenerate has read from the database, for all of its comparisons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import ModifyTableOps

from pgvec.model.catalog import CatalogColumn, CatalogIndex
from pgvec.sql import SCHEMA
from pgvec.statements import catalog

__all__ = ["ComparedTable", "Snapshot", "snapshot_of", "take_snapshot"]

_InTable = TypeVar("_InTable", CatalogColumn, CatalogIndex)

_EXTENSION = sa.text(
    "SELECT n.nspname, pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname) IS NOT NULL"
    " FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace"
    " WHERE e.extname = 'vector'"
)
_OWN_TABLES = sa.text(
    "SELECT c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = :schema AND c.relkind IN ('r', 'p') AND pg_catalog.pg_table_is_visible(c.oid)"
)
_MAY_READ = sa.text(
    "SELECT coalesce(pg_catalog.has_table_privilege(pg_catalog.to_regclass('pgvec.migration')::oid, 'SELECT'), true)"
)
_HAS_RECORD = sa.text("SELECT pg_catalog.to_regclass('pgvec.migration') IS NOT NULL")
_APPLIED = sa.text("SELECT name FROM pgvec.migration")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Facts of a database.

    Attributes:
        columns: Its vector columns.
        indexes: Its vector indexes.
        extension_schema: Where the extension is, or None where it is not installed.
        extension_visible: Whether the ``search_path`` shows it.
        own_tables: Tables of pgvec that the ``search_path`` shows.
        applied: Names of pgvec's scripts that were run, or None where the role may not know.
    """

    columns: tuple[CatalogColumn, ...]
    indexes: tuple[CatalogIndex, ...]
    extension_schema: str | None
    extension_visible: bool
    own_tables: frozenset[str]
    applied: frozenset[str] | None

    def columns_of(self, table: str, schema: str | None) -> dict[str, CatalogColumn]:
        """Return the vector columns of a table by name; without ``schema`` the one that the ``search_path`` shows."""
        return {column.name: column for column in _of(self.columns, table, schema)}

    def indexes_of(self, table: str, schema: str | None) -> dict[str, CatalogIndex]:
        """Return the vector indexes of a table by name; without ``schema`` the one that the ``search_path`` shows."""
        return {index.name: index for index in _of(self.indexes, table, schema)}


@dataclass(frozen=True, slots=True)
class ComparedTable:
    """A table that Alembic has compared, as it gives it to comparators.

    Attributes:
        context: The run of autogenerate.
        operations: What Alembic found to do, and what will be done.
        schema: Postgres schema, None for the default one.
        name: The table.
        found: The table in the database, or None where it is missing.
        declared: The table of the models, or None where they have none.
    """

    context: AutogenContext
    operations: ModifyTableOps
    schema: str | None
    name: str
    found: sa.Table | None
    declared: sa.Table | None


_taken: WeakKeyDictionary[AutogenContext, Snapshot] = WeakKeyDictionary()


def take_snapshot(context: AutogenContext) -> Snapshot:
    """Read the database, and keep what was read until the run ends."""
    connection = context.connection
    assert connection is not None, "autogenerate compares with a database"
    extension = connection.execute(_EXTENSION).one_or_none()
    snapshot = Snapshot(
        columns=tuple(catalog.read_columns(connection.execute(catalog.VECTOR_COLUMNS))),
        indexes=tuple(catalog.read_indexes(connection.execute(catalog.VECTOR_INDEXES))),
        extension_schema=None if extension is None else extension[0],
        extension_visible=extension is not None and extension[1],
        own_tables=frozenset(connection.scalars(_OWN_TABLES, {"schema": SCHEMA})),
        applied=_applied(connection),
    )
    _taken[context] = snapshot
    return snapshot


def snapshot_of(context: AutogenContext) -> Snapshot:
    """Return what was read when the run began."""
    return _taken[context]


def _applied(connection: sa.Connection) -> frozenset[str] | None:
    if not connection.scalar(_MAY_READ):
        return None
    return frozenset(connection.scalars(_APPLIED)) if connection.scalar(_HAS_RECORD) else frozenset()


def _of(found: Iterable[_InTable], table: str, schema: str | None) -> Iterable[_InTable]:
    return (one for one in found if one.table == table and (one.visible if schema is None else one.schema == schema))
