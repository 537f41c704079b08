"""Looks at every vector column and index of a database; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from pgvec.execution.sqlstate import translated
from pgvec.model import VectorType
from pgvec.model.catalog import CatalogColumn
from pgvec.model.index_build import IndexState
from pgvec.model.layout import recognise
from pgvec.sql import SCHEMA
from pgvec.statements import catalog

__all__ = ["ColumnState", "Inspection", "inspect_database"]

_SAMPLE = 10_000

_TABLES = sa.text(
    "SELECT n.nspname AS schema, c.relname AS table_name,"
    " coalesce(nullif(s.n_live_tup, 0), nullif(c.reltuples, -1), 0)::bigint AS live_rows,"
    " coalesce(s.n_dead_tup, 0) AS dead_rows, pg_catalog.pg_total_relation_size(c.oid) AS size_bytes,"
    " (SELECT pg_catalog.array_agg(a.attname::text) FROM pg_catalog.pg_attribute AS a"
    "  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns"
    " FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_catalog.pg_stat_user_tables AS s ON s.relid = c.oid"
    " WHERE c.relkind IN ('r', 'p', 'm')"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"
)
_NULL_SHARES = sa.text(
    "SELECT schemaname AS schema, tablename AS table_name, attname AS name, max(null_frac)::float8 AS share"
    " FROM pg_catalog.pg_stats GROUP BY 1, 2, 3"
)


@dataclass(frozen=True, slots=True)
class ColumnState:
    """A vector column as it is now.

    Attributes:
        column: What the catalog has of it.
        live_rows: Rows of its table, by the statistics.
        dead_rows: Rows that were deleted or updated and not yet vacuumed, by the statistics.
        table_bytes: Size of the table with all that belongs to it.
        null_share: Share of rows without a vector, by the statistics or, where there are none, among the first rows; None where the
            role may not know.
        sampled_dimensions: Numbers of dimensions found among the first rows, where the type states none.
        made_by: The library whose layout the table has, or None.
        text_column: The column that this library embedded, or None.
    """

    column: CatalogColumn
    live_rows: int
    dead_rows: int
    table_bytes: int
    null_share: float | None
    sampled_dimensions: tuple[int, ...]
    made_by: str | None
    text_column: str | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a database has of vectors.

    Attributes:
        extension_version: Version of the extension, or None where it is not installed.
        extension_schema: Where it is.
        columns: Vector columns; a column of bits counts where a vector index is on it.
        indexes: Vector indexes.
    """

    extension_version: str | None
    extension_schema: str | None
    columns: tuple[ColumnState, ...]
    indexes: tuple[IndexState, ...]


def inspect_database(engine: sa.Engine) -> Inspection:
    """Read every vector column and index; with the rights of the role, in one transaction that writes nothing."""
    with translated(), engine.connect() as connection:
        extension: Any = connection.execute(
            sa.select(sa.column("extversion"), sa.column("nspname"))
            .select_from(sa.text("pg_catalog.pg_extension JOIN pg_catalog.pg_namespace n ON n.oid = extnamespace"))
            .where(sa.text("extname = 'vector'"))
        ).one_or_none()
        indexes = tuple(catalog.read_states(connection.execute(catalog.INDEX_STATES)))
        tables = {(row.schema, row.table_name): row for row in connection.execute(_TABLES)}
        shares = {(row.schema, row.table_name, row.name): row.share for row in connection.execute(_NULL_SHARES)}
        indexed = {(found.index.schema, found.index.table, found.index.column) for found in indexes}
        columns = tuple(
            _state(connection, column, tables[column.schema, column.table], shares)
            for column in catalog.read_columns(connection.execute(catalog.VECTOR_COLUMNS))
            if (column.schema, column.table) in tables
            and column.schema != SCHEMA
            and (column.type is not VectorType.BIT or (column.schema, column.table, column.name) in indexed)
        )
        connection.rollback()
    version, schema = (None, None) if extension is None else extension
    return Inspection(version, schema, columns, indexes)


def _state(
    connection: sa.Connection, column: CatalogColumn, table: Any, shares: dict[tuple[str, str, str], float]
) -> ColumnState:
    layout = recognise(table.columns or ())
    share = shares.get((column.schema, column.table, column.name))
    needs_dimensions = column.dimensions is None
    sampled = _sample(connection, column, needs_dimensions) if share is None or needs_dimensions else None
    return ColumnState(
        column=column,
        live_rows=table.live_rows,
        dead_rows=table.dead_rows,
        table_bytes=table.size_bytes,
        null_share=share if share is not None else None if sampled is None else sampled.share,
        sampled_dimensions=tuple(sorted(sampled.dimensions or ())) if sampled is not None and needs_dimensions else (),
        made_by=None if layout is None else layout.library,
        text_column=None if layout is None else layout.text,
    )


def _sample(connection: sa.Connection, column: CatalogColumn, dimensions: bool) -> Any:
    """Look at the first rows of a table; return None where the role may not."""
    table = sa.table(column.table, sa.column(column.name), schema=column.schema)
    first = sa.select(table.c[column.name].label("v")).limit(_SAMPLE).subquery()
    # The text of a sparse vector ends with its number of dimensions; the others are counted.
    if column.type is VectorType.SPARSEVEC:
        counted: sa.ColumnElement[Any] = sa.cast(sa.func.split_part(sa.cast(first.c.v, sa.Text), "/", 2), sa.Integer)
    else:
        counted = sa.func.length(sa.func.regexp_replace(sa.cast(first.c.v, sa.Text), "[^,]", "", "g")) + 1
    statement = sa.select(
        sa.func.avg(sa.cast(first.c.v.is_(None), sa.Integer)).cast(sa.Float).label("share"),
        (sa.func.array_agg(sa.distinct(counted)).filter(first.c.v.is_not(None)) if dimensions else sa.null()).label(
            "dimensions"
        ),
    )
    try:
        with connection.begin_nested():
            return connection.execute(statement).one()
    except DBAPIError:
        return None
