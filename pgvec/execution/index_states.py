"""What vector indexes a database has, how they are, and which are being built."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from pgvec.execution.index_watch import read_progress
from pgvec.execution.sqlstate import translated
from pgvec.model.catalog import CatalogColumn
from pgvec.model.index_build import BuildProgress, IndexState
from pgvec.statements import catalog

__all__ = ["RunningBuild", "running_builds", "table_columns", "vector_indexes"]


@dataclass(frozen=True, slots=True)
class RunningBuild:
    """A build that goes on; a role that may not see the activity of others knows only of its process.

    Attributes:
        pid: Process of the server.
        table: The table, quoted for SQL.
        index: The index, or None before it has a name.
        command: What Postgres runs.
        seconds: Since when.
        progress: How far it is.
    """

    pid: int
    table: str | None
    index: str | None
    command: str | None
    seconds: float | None
    progress: BuildProgress | None


def vector_indexes(engine: sa.Engine, *, table: str | None = None, schema: str | None = None) -> list[IndexState]:
    """Return every vector index, or those of one table.

    Args:
        engine: An engine on the database.
        table: The table; None takes all.
        schema: Its schema; None takes what the ``search_path`` shows, or with ``table=None`` all.
    """
    with translated(), engine.connect() as connection:
        states = catalog.read_states(connection.execute(catalog.INDEX_STATES))
    return [state for state in states if _is_meant(state, table, schema)]


def table_columns(engine: sa.Engine, table: str, *, schema: str | None = None) -> list[CatalogColumn]:
    """Return the vector columns of a table."""
    with translated(), engine.connect() as connection:
        columns = catalog.read_columns(connection.execute(catalog.VECTOR_COLUMNS))
    return [
        column
        for column in columns
        if column.table == table and (column.visible if schema is None else column.schema == schema)
    ]


def running_builds(engine: sa.Engine) -> list[RunningBuild]:
    """Return the builds that go on in this database."""
    with translated(), engine.connect() as connection:
        rows = connection.execute(catalog.BUILDS).all()
    return [
        RunningBuild(row.pid, row.table_name, row.index_name, row.command, row.seconds, read_progress(row))
        for row in rows
    ]


def _is_meant(state: IndexState, table: str | None, schema: str | None) -> bool:
    found = state.index
    if table is None:
        return schema is None or found.schema == schema
    return found.table == table and (found.visible if schema is None else found.schema == schema)
