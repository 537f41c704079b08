"""Set the storage of vector columns where their table is created."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler

from pgvec.errors import InvalidOptionError
from pgvec.orm.column_types import find_embedding

__all__ = ["SetStorage"]

_STORAGES = ("plain", "external", "extended", "main")


class SetStorage(ExecutableDDLElement):
    """``ALTER TABLE ... ALTER COLUMN ... SET STORAGE``.

    ``CREATE TABLE`` takes a storage from Postgres 16 on only, so that this follows it as a statement of its own.

    Args:
        column: The column.
        storage: ``plain``, ``external``, ``extended`` or ``main``.

    Raises:
        InvalidOptionError: There is no such storage.
    """

    def __init__(self, column: sa.Column[Any], storage: str) -> None:
        if storage not in _STORAGES:
            raise InvalidOptionError(f"storage={storage!r:.60} is not one of {', '.join(map(repr, _STORAGES))}")
        self.column = column
        self.storage = storage


@compiles(SetStorage, "postgresql")
def _compile_set_storage(element: SetStorage, compiler: DDLCompiler, **_kw: Any) -> str:
    table = compiler.preparer.format_table(element.column.table)
    column = compiler.preparer.format_column(element.column)
    return f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE {element.storage.upper()}"


# Listening to tables, not to columns, also serves copies of a table and Alembic's create_table.
@sa.event.listens_for(sa.Table, "after_create")
def _set_storages(table: sa.Table, connection: sa.Connection | None, **options: Any) -> None:
    # Alembic that only writes SQL has no connection, and gives what writes instead.
    runner: Any = options["_ddl_runner"] if connection is None else connection
    if runner.dialect.name != "postgresql":
        return
    for column in table.columns:
        embedding = find_embedding(column.type)
        if embedding is not None and embedding.storage is not None:
            runner.execute(SetStorage(column, embedding.storage))
