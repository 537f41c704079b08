"""Vector indexes of a table, and how Postgres would write one, through whichever driver a connection has."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler

from pgvec.errors import AccessDeniedError, IndexNotFoundError
from pgvec.model.catalog import CatalogIndex
from pgvec.orm.index_definition import IndexDefinition
from pgvec.statements import catalog

__all__ = ["as_postgres_writes_it", "find_index", "indexes_of", "rebuilding_leftovers", "sqlstate"]

_TEMPORARY = "pg_temp"
# A transaction that is read-only, a role that may not make temporary tables.
_MAY_NOT = ("25006", "42501")
# Connection lost, state of the transaction, resources short, interrupted: nothing that an index could be to blame for.
_NOT_THE_INDEX = ("08", "25", "53", "57")


class _CopyOfTable(ExecutableDDLElement):
    """An empty temporary table that has the columns of another."""

    def __init__(self, table: str, schema: str | None) -> None:
        self.table = sa.table(table, schema=schema)


@compiles(_CopyOfTable, "postgresql")
def _compile_copy(element: _CopyOfTable, compiler: DDLCompiler, **_kw: Any) -> str:
    copy = compiler.preparer.quote(element.table.name)
    return f"CREATE TEMPORARY TABLE {copy} (LIKE {compiler.preparer.format_table(element.table)})"


def indexes_of(connection: sa.Connection, table: str, schema: str | None) -> list[CatalogIndex]:
    """Return the vector indexes of a table, valid or not."""
    relation = connection.dialect.identifier_preparer.format_table(sa.table(table, schema=schema))
    return catalog.read_indexes(connection.execute(catalog.INDEXES_OF_TABLE, {"relation": relation}))


def find_index(connection: sa.Connection, name: str, schema: str | None) -> CatalogIndex:
    """Return a vector index by its name, in a schema or where the ``search_path`` shows its table.

    Raises:
        IndexNotFoundError: There is none.
    """
    known = catalog.read_indexes(connection.execute(catalog.VECTOR_INDEXES))
    named = [index for index in known if index.name == name]
    found = [index for index in named if (index.visible if schema is None else index.schema == schema)]
    if not found:
        others = ", ".join(sorted({index.schema for index in named}))
        close = difflib.get_close_matches(name, [index.name for index in known], n=1)
        hint = (
            f"the schema {others} has one"
            if others
            else f"did you mean {close[0]}?"
            if close
            else "pgvec index list shows them"
        )
        raise IndexNotFoundError(
            f"there is no vector index {name!r}{'' if schema is None else f' in {schema!r}'}: {hint}"
        )
    return found[0]


def rebuilding_leftovers(connection: sa.Connection, name: str, table: str, schema: str | None) -> list[str]:
    """Return what an interrupted rebuild of an index left on its table."""
    return catalog.rebuilding_leftovers(indexes_of(connection, table, schema), name)


def as_postgres_writes_it(connection: sa.Connection, definition: IndexDefinition) -> CatalogIndex | None:
    """Return what the catalog would have of an index, or None where its table, as it is, cannot have such an index.

    Expressions and conditions have many spellings, of which Postgres keeps one. It is asked: an empty temporary table that is
    like the index's own gets the index, and both are rolled back.

    Raises:
        AccessDeniedError: The role or the server allows no temporary table.
    """
    index = replace(definition, schema=_TEMPORARY, tablespace=None).to_index()
    try:
        with _undone(connection):
            connection.execute(_CopyOfTable(definition.table, definition.schema))
            connection.execute(CreateIndex(index))
            (found,) = indexes_of(connection, definition.table, _TEMPORARY)
            return found
    except DBAPIError as error:
        state = sqlstate(error)
        if state in _MAY_NOT:
            raise AccessDeniedError(
                f"the index {definition.name} cannot be compared with the database, which takes a temporary table: {error.orig}",
                sqlstate=state,
            ) from error
        if state is None or state[:2] in _NOT_THE_INDEX:
            raise
        return None


def sqlstate(error: DBAPIError) -> str | None:
    """Return Postgres' code of an error, whichever driver raised it."""
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)


@contextmanager
def _undone(connection: sa.Connection) -> Iterator[None]:
    """Take back whatever happens in the block."""
    raw = connection.connection.dbapi_connection
    assert raw is not None, "the connection is open"
    if connection.dialect.detect_autocommit_setting(raw):
        connection.exec_driver_sql("BEGIN")
        try:
            yield
        finally:
            connection.exec_driver_sql("ROLLBACK")
        return
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()
