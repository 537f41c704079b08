"""What the doctor asks the database, and how the answers are read; nothing in here writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from pgvec.model import VectorType
from pgvec.model.advice import read_shape
from pgvec.model.catalog import CatalogColumn
from pgvec.model.doctor import (
    ColumnHealth,
    IndexHealth,
    SeenFilter,
    SeenStatement,
    ServerHealth,
    TableHealth,
    VectorSample,
)
from pgvec.model.index_build import IndexState
from pgvec.sql import migration_record, query_text
from pgvec.statements.qualified import vector_cast

__all__ = [
    "FILTERS",
    "SCRIPTS",
    "load_library",
    "query",
    "read_columns",
    "read_filters",
    "read_indexes",
    "read_sample",
    "read_server",
    "read_statements",
    "read_tables",
    "sample",
    "statements_seen",
]

_SAMPLE = 5_000
_MOST_SHAPES = 1_000
_MOST_STATEMENTS = 1_000
_DEFAULT_SCAN_TUPLES = 20_000
_NORMS = {VectorType.VECTOR: "vector_norm", VectorType.HALFVEC: "l2_norm", VectorType.SPARSEVEC: "l2_norm"}

SCRIPTS = sa.select(migration_record.c.name, migration_record.c.checksum).order_by(migration_record.c.name.collate("C"))
"""The scripts that made the schema ``pgvec``."""

_shape = sa.table(
    "filter_shape",
    sa.column("relation_schema"),
    sa.column("relation_name"),
    sa.column("shape"),
    sa.column("searches"),
    schema="pgvec",
)
FILTERS = sa.select(_shape).order_by(_shape.c.searches.desc(), _shape.c.shape).limit(_MOST_SHAPES)
"""The shapes of filters that were recorded."""


@cache
def query(name: str) -> sa.TextClause:
    """Return the query ``doctor_<name>.sql``."""
    return sa.text(query_text(f"doctor_{name}"))


def load_library(extension_schema: str) -> sa.Select[Any]:
    """Let the session load the library of the extension, so that its settings are known."""
    return sa.select(sa.cast(vector_cast(sa.literal("[1]"), VectorType.VECTOR, None, extension_schema), sa.Text))


def statements_seen(schema: str) -> sa.Select[Any]:
    """Select the statements of this database that order by a distance, the most frequent first."""
    seen = sa.table("pg_stat_statements", sa.column("query"), sa.column("calls"), sa.column("dbid"), schema=schema)
    database = sa.text("(SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())")
    return (
        sa.select(seen.c.query, sa.cast(sa.func.sum(seen.c.calls), sa.BigInteger).label("calls"))
        .where(seen.c.dbid == sa.literal_column(database.text), seen.c.query.op("~")("<(->|#>|=>|\\+>|~>|%>)"))
        .group_by(seen.c.query)
        .order_by(sa.literal_column("calls").desc())
        .limit(_MOST_STATEMENTS)
    )


def sample(column: CatalogColumn, extension_schema: str, rows: int) -> sa.Select[Any]:
    """Look into some rows of a column: how many have a vector, how many of these are zero, and how long they are."""
    table: Any = sa.table(column.table, sa.column(column.name), schema=column.schema)
    if rows > 10 * _SAMPLE:
        table = sa.tablesample(table, sa.func.system(min(100.0, 200.0 * _SAMPLE / rows)))
    some = sa.select(table.c[column.name].label("v")).limit(_SAMPLE).subquery("some")
    v: sa.ColumnElement[Any] = some.c.v
    zeros: sa.ColumnElement[Any] = sa.null()
    if (norm := _NORMS.get(column.type)) is not None:
        length = getattr(getattr(sa.func, extension_schema), norm)(v, type_=sa.Float)
        zeros = sa.func.count().filter(length == sa.literal_column("0"))
    return sa.select(
        sa.func.count().label("rows"),
        sa.func.count(v).label("present"),
        zeros.label("zeros"),
        (sa.null() if column.dimensions is not None else _lengths(column, v)).label("dimensions"),
    )


def _lengths(column: CatalogColumn, v: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    text = sa.cast(v, sa.Text)
    if column.type is VectorType.SPARSEVEC:  # the text of a sparse vector ends with its number of dimensions
        counted: sa.ColumnElement[Any] = sa.cast(sa.func.split_part(text, "/", 2), sa.Integer)
    elif column.type is VectorType.BIT:
        counted = sa.func.length(text)
    else:
        counted = sa.func.length(sa.func.regexp_replace(text, "[^,]", "", "g")) + 1
    return sa.func.array_agg(sa.distinct(counted)).filter(v.is_not(None))


def read_server(row: Any, scripts: Sequence[Any] | None) -> ServerHealth:
    """Return what ``doctor_server.sql`` gave."""
    return ServerHealth(
        database=row.database,
        extension_version=row.extension_version,
        extension_schema=row.extension_schema,
        on_path=row.on_path,
        search_path=row.search_path,
        shared_buffers=(row.shared_buffers, row.shared_buffers_bytes),
        maintenance_work_mem=(row.maintenance_work_mem, row.maintenance_work_mem_bytes),
        work_mem=(row.work_mem, row.work_mem_bytes),
        max_scan_tuples=row.max_scan_tuples or _DEFAULT_SCAN_TUPLES,
        scan_mem_multiplier=row.scan_mem_multiplier or 1.0,
        session_settings=tuple(row.session_settings or ()),
        scripts=None if scripts is None else tuple((script.name, script.checksum) for script in scripts),
    )


def read_tables(rows: Iterable[Any]) -> tuple[TableHealth, ...]:
    """Return what ``doctor_tables.sql`` gave."""
    return tuple(
        TableHealth(
            schema=row.schema,
            name=row.name,
            visible=row.visible,
            partitioned=row.partitioned,
            partition=row.partition,
            rows=row.row_count,
            dead_rows=row.dead_rows,
            changed_rows=row.changed_rows,
            analyzed=row.analyzed,
            sequential_scans=row.sequential_scans,
            toast_pages=row.toast_pages,
            toast_reads=row.toast_reads,
            leading=frozenset(row.leading),
            narrow=frozenset(row.narrow),
        )
        for row in rows
    )


def read_columns(columns: Iterable[CatalogColumn], rows: Iterable[Any]) -> tuple[ColumnHealth, ...]:
    """Return the columns with what ``doctor_columns.sql`` gave."""
    known = {(row.schema, row.table_name, row.name): row for row in rows}
    found = ((column, known.get((column.schema, column.table, column.name))) for column in columns)
    return tuple(ColumnHealth(column, row.readable, row.null_share) for column, row in found if row is not None)


def read_sample(row: Any) -> VectorSample:
    """Return what :func:`sample` gave."""
    return VectorSample(row.rows, row.present, row.zeros, tuple(sorted(row.dimensions or ())))


def read_indexes(rows: Iterable[Any], states: Iterable[IndexState]) -> tuple[IndexHealth, ...]:
    """Return what ``doctor_indexes.sql`` gave, vector indexes with their states."""
    vector = {(state.index.schema, state.index.name): state for state in states}
    found = []
    for row in rows:
        state = vector.get((row.schema, row.name))
        contents = row.contents if state is None else state.index.contents
        found.append(
            IndexHealth(
                row.schema,
                row.table_name,
                row.name,
                contents,
                row.keeps_constraint,
                row.valid,
                row.tuples_read,
                state,
            )
        )
    return tuple(found)


def read_filters(rows: Iterable[Any]) -> tuple[SeenFilter, ...]:
    """Return what :data:`FILTERS` gave."""
    return tuple(
        SeenFilter(row.relation_schema, row.relation_name, read_shape(row.shape).parts, row.searches) for row in rows
    )


def read_statements(rows: Iterable[Any]) -> tuple[SeenStatement, ...]:
    """Return what :func:`statements_seen` gave; those of pgvec itself say what their index says."""
    return tuple(SeenStatement(row.query, row.calls) for row in rows if row.query and "pgvec_" not in row.query)
