"""Does what an adoption comes to, online; killed at any point, the next run goes on where it was."""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from pgvec.cli.adoption.plan import Adoption
from pgvec.cli.output import note
from pgvec.cli.progress import bar
from pgvec.cli.tables import embedder_for
from pgvec.errors import QueryTimeoutError
from pgvec.execution.backfill import Backfill, backfill
from pgvec.execution.index_build import BuildProgress, build_index
from pgvec.execution.sqlstate import translated
from pgvec.integrations.alembic.column_change import ColumnChange
from pgvec.integrations.alembic.operations import AlterEmbeddingOp
from pgvec.model.index_build import BuildSettings

__all__ = ["Done", "run_adoption"]

_ATTEMPTS = 10
_LOCK_TIMEOUT = "2s"


@dataclass(frozen=True, slots=True)
class Done:
    """What was done now.

    Attributes:
        column_added: Whether the column was added.
        backfill: What was embedded.
        index_built: Whether the index was built.
    """

    column_added: bool
    backfill: Backfill
    index_built: bool


def run_adoption(engine: sa.Engine, adoption: Adoption, settings: BuildSettings) -> Done:
    """Add the column, embed the rows in batches, and build the index.

    Args:
        engine: An engine on the database.
        adoption: What is to be done.
        settings: For the building of the index.
    """
    if adoption.adds_column or adoption.fixes_dimensions:
        _change_column(engine, adoption)
    filled = _fill(engine, adoption) if adoption.embeds else Backfill(0, 0)
    built = False
    if adoption.index is not None:
        with bar(f"building {adoption.index.name}", unit="blocks") as advance:

            def report(progress: BuildProgress) -> None:
                advance(progress.done, progress.total or None)

            built = build_index(engine, adoption.index, progress=report, settings=settings)
    return Done(adoption.adds_column, filled, built)


def _change_column(engine: sa.Engine, adoption: Adoption) -> None:
    """Change the table with little patience, many times: who waits for its lock keeps everybody else waiting."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with translated(), engine.begin() as connection:
                connection.execute(sa.select(sa.func.pg_catalog.set_config("lock_timeout", _LOCK_TIMEOUT, True)))
                _change(Operations(MigrationContext.configure(connection)), adoption)
                return
        except QueryTimeoutError:
            if attempt == _ATTEMPTS:
                raise
            note(f"{adoption.name} is in use by a long transaction; trying again ({attempt} of {_ATTEMPTS})")
            time.sleep(1)


def _change(operations: Operations, adoption: Adoption) -> None:
    table, column, embedding = str(adoption.table.name), adoption.column, adoption.embedding
    if adoption.adds_column:
        operations.add_column(table, sa.Column(column, embedding, nullable=True), schema=adoption.schema)
        if embedding.storage is not None:
            change = ColumnChange(table, column, storage=embedding.storage, schema=adoption.schema)
            operations.invoke(AlterEmbeddingOp(change))
        return
    change = ColumnChange(
        table,
        column,
        type=embedding.type.value,
        dimensions=embedding.dimensions,
        existing_type=embedding.type.value,
        schema=adoption.schema,
        extension_schema=embedding.extension_schema,
    )
    operations.invoke(AlterEmbeddingOp(change))


def _fill(engine: sa.Engine, adoption: Adoption) -> Backfill:
    sources = adoption.embedding.source or ()
    wanted = {*adoption.table.primary_key.columns.keys(), *sources}
    table = sa.Table(
        adoption.table.name,
        sa.MetaData(),
        *(
            sa.Column(column.name, column.type, primary_key=column.primary_key)
            for column in adoption.table.columns
            if column.name in wanted
        ),
        sa.Column(adoption.column, adoption.embedding),
        schema=adoption.schema,
    )
    embedder = embedder_for(adoption.embedding.describe(adoption.column, adoption.column))
    with bar("embedding") as advance:
        return backfill(engine, table, adoption.column, sources, embedder, progress=advance)
