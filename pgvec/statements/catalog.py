"""Reads vector columns and vector indexes from ``pg_catalog``, which knows what SQLAlchemy's reflection leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from pgvec.model import IndexMethod, VectorType
from pgvec.model.catalog import CatalogColumn, CatalogIndex
from pgvec.model.index_build import IndexState

__all__ = [
    "BUILDS",
    "INDEXES_OF_TABLE",
    "INDEX_BUILD",
    "INDEX_STATES",
    "TABLE_SIZE",
    "VECTOR_COLUMNS",
    "VECTOR_INDEXES",
    "read_columns",
    "read_indexes",
    "read_states",
    "rebuilding_leftovers",
]

_OF_REBUILD = re.compile(r"(.+)_cc(?:new|old)\d*")
_LONGEST_NAME = 63
_STORAGES = {"p": "plain", "e": "external", "x": "extended", "m": "main"}

VECTOR_COLUMNS = sa.text(
    "SELECT n.nspname AS schema, c.relname AS table_name, a.attname AS name, t.typname AS type,"
    " CASE WHEN a.atttypmod > 0 THEN a.atttypmod END AS dimensions, a.attstorage::text AS storage,"
    " t.typstorage::text AS default_storage, NOT a.attnotnull AS nullable, c.relkind = 'p' AS partitioned,"
    " pg_catalog.pg_table_is_visible(c.oid) AS visible,"
    " CASE WHEN NOT pg_catalog.pg_type_is_visible(t.oid) THEN tn.nspname END AS type_schema"
    " FROM pg_catalog.pg_attribute AS a"
    " JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid"
    " JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.typnamespace"
    " LEFT JOIN pg_catalog.pg_extension AS e ON e.extname = 'vector' AND e.extnamespace = t.typnamespace"
    " WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm')"
    " AND (t.oid = CAST('pg_catalog.bit' AS regtype)"
    "  OR (e.oid IS NOT NULL AND t.typname IN ('vector', 'halfvec', 'sparsevec')))"
    " ORDER BY 1, 2, a.attnum"
)
"""Every vector column of the database, and every column of the type ``bit``."""

_INDEX_FACTS = (
    "SELECT n.nspname AS schema, c.relname AS table_name, i.relname AS name, a.attname AS column_name,"
    " pg_catalog.pg_get_indexdef(x.indexrelid, 1, false) AS expression, m.amname AS method,"
    " CASE WHEN NOT pg_catalog.pg_opclass_is_visible(o.oid) THEN pg_catalog.quote_ident(om.nspname) || '.' ELSE '' END"
    " || pg_catalog.quote_ident(o.opcname) AS operator_class,"
    " pg_catalog.array_to_string(i.reloptions, ',') AS options,"
    " pg_catalog.pg_get_expr(x.indpred, x.indrelid) AS predicate, s.spcname AS tablespace,"
    " x.indisvalid AS valid, i.relkind = 'I' AS partitioned,"
    " pg_catalog.pg_table_is_visible(c.oid) AS visible"
)
_OF_INDEXES = (
    " FROM pg_catalog.pg_index AS x"
    " JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid"
    " JOIN pg_catalog.pg_class AS c ON c.oid = x.indrelid"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_am AS m ON m.oid = i.relam AND m.amname IN ('hnsw', 'ivfflat')"
    " JOIN pg_catalog.pg_opclass AS o ON o.oid = x.indclass[0]"
    " JOIN pg_catalog.pg_namespace AS om ON om.oid = o.opcnamespace"
    " LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0] AND a.attnum > 0"
    " LEFT JOIN pg_catalog.pg_tablespace AS s ON s.oid = i.reltablespace"
)
_IN_ORDER = " ORDER BY 1, 2, 3"

VECTOR_INDEXES = sa.text(_INDEX_FACTS + _OF_INDEXES + _IN_ORDER)
"""Every vector index of the database, valid or not."""

INDEXES_OF_TABLE = sa.text(
    _INDEX_FACTS + _OF_INDEXES + " WHERE x.indrelid = CAST(pg_catalog.to_regclass(:relation) AS oid)" + _IN_ORDER
)
"""The vector indexes of the table that ``relation`` names, quoted for SQL."""


_INDEX_STATISTICS = (
    ", pg_catalog.pg_relation_size(i.oid) AS size_bytes, coalesce(u.idx_scan, 0) AS scans,"
    " coalesce(nullif(w.n_live_tup, 0), nullif(c.reltuples, -1), 0)::bigint AS live_rows,"
    " coalesce(w.n_dead_tup, 0) AS dead_rows,"
    " CASE WHEN NOT x.indisvalid THEN (SELECT min(k.pid) FROM pg_catalog.pg_locks AS k WHERE k.relation = c.oid"
    " AND k.mode = 'ShareUpdateExclusiveLock' AND k.granted AND k.database = (SELECT oid FROM pg_catalog.pg_database"
    " WHERE datname = pg_catalog.current_database())) END AS builder"
)
_OF_STATISTICS = (
    " LEFT JOIN pg_catalog.pg_stat_user_indexes AS u ON u.indexrelid = i.oid"
    " LEFT JOIN pg_catalog.pg_stat_user_tables AS w ON w.relid = c.oid"
)

INDEX_STATES = sa.text(_INDEX_FACTS + _INDEX_STATISTICS + _OF_INDEXES + _OF_STATISTICS + _IN_ORDER)
"""As :data:`VECTOR_INDEXES`, with sizes, statistics, and who builds them."""

# A concurrent build holds this lock on the table from before the index is in the catalog until it is valid, which every role
# may see. The progress of another role's build it may not.
INDEX_BUILD = sa.text(
    "SELECT x.indisvalid AS valid, p.phase, p.current_locker_pid AS waiting_for,"
    " p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total,"
    " EXISTS (SELECT FROM pg_catalog.pg_locks AS k WHERE k.relation = t.oid AND k.granted"
    "  AND k.mode = 'ShareUpdateExclusiveLock' AND k.database ="
    "  (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())) AS building"
    " FROM (SELECT CAST(pg_catalog.to_regclass(:relation) AS oid) AS oid) AS t"
    " LEFT JOIN (pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid AND i.relname = :name)"
    "  ON x.indrelid = t.oid"
    " LEFT JOIN LATERAL (SELECT * FROM pg_catalog.pg_stat_progress_create_index AS s WHERE s.relid = t.oid"
    "  AND s.datname = pg_catalog.current_database()"
    "  ORDER BY s.index_relid = x.indexrelid DESC, s.phase = 'initializing' LIMIT 1) AS p ON true"
)
"""Where one index, and the build on its table that Postgres reports, stand."""

TABLE_SIZE = sa.text(
    "SELECT coalesce(nullif(pg_catalog.pg_stat_get_live_tuples(c.oid), 0), nullif(c.reltuples, -1), 0)::bigint AS rows,"
    " pg_catalog.pg_relation_size(c.oid) AS bytes,"
    " (SELECT s.avg_width FROM pg_catalog.pg_stats AS s JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.schemaname"
    "  WHERE n.oid = c.relnamespace AND s.tablename = c.relname AND s.attname = :column) AS width,"
    " pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) AS memory,"
    " least(pg_catalog.current_setting('max_parallel_maintenance_workers')::int,"
    "  pg_catalog.current_setting('max_parallel_workers')::int, pg_catalog.current_setting('max_worker_processes')::int)"
    "  AS workers,"
    " coalesce(substring(c.reloptions::text FROM 'parallel_workers=([0-9]+)')::int, -1) AS table_workers,"
    " pg_catalog.pg_size_bytes(pg_catalog.current_setting('min_parallel_table_scan_size')) AS parallel_from,"
    " pg_catalog.current_setting('dynamic_shared_memory_type') AS shared_memory"
    " FROM pg_catalog.pg_class AS c WHERE c.oid = CAST(pg_catalog.to_regclass(:relation) AS oid)"
)
"""What a build on a table will meet: rows, width of the column, and the settings of the server for this connection."""

BUILDS = sa.text(
    "SELECT p.pid, p.datname, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS table_name,"
    " i.relname AS index_name, p.command, p.phase, p.current_locker_pid AS waiting_for,"
    " p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total,"
    " extract(epoch FROM pg_catalog.clock_timestamp() - a.query_start)::float8 AS seconds"
    " FROM pg_catalog.pg_stat_progress_create_index AS p"
    " LEFT JOIN pg_catalog.pg_class AS c ON c.oid = p.relid"
    " LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_catalog.pg_class AS i ON i.oid = p.index_relid"
    " LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.pid"
    " WHERE p.datname = pg_catalog.current_database() ORDER BY p.pid"
)
"""The builds that go on in this database."""


def read_columns(rows: Iterable[Any]) -> list[CatalogColumn]:
    """Return what :data:`VECTOR_COLUMNS` gave."""
    return [
        CatalogColumn(
            schema=row.schema,
            table=row.table_name,
            name=row.name,
            type=VectorType(row.type),
            dimensions=row.dimensions,
            storage=_STORAGES[row.storage],
            default_storage=_STORAGES[row.default_storage],
            nullable=row.nullable,
            partitioned=row.partitioned,
            visible=row.visible,
            type_schema=row.type_schema,
        )
        for row in rows
    ]


def read_indexes(rows: Iterable[Any]) -> list[CatalogIndex]:
    """Return what :data:`VECTOR_INDEXES` or :data:`INDEXES_OF_TABLE` gave."""
    return [
        CatalogIndex(
            schema=row.schema,
            table=row.table_name,
            name=row.name,
            column=row.column_name,
            expression=None if row.column_name is not None else row.expression,
            method=IndexMethod(row.method),
            operator_class=row.operator_class,
            options=_options(row.options),
            predicate=row.predicate,
            tablespace=row.tablespace,
            valid=row.valid,
            partitioned=row.partitioned,
            visible=row.visible,
        )
        for row in rows
    ]


def read_states(rows: Iterable[Any]) -> list[IndexState]:
    """Return what :data:`INDEX_STATES` gave."""
    listed = list(rows)
    return [
        IndexState(index, row.size_bytes, row.scans, row.live_rows, row.dead_rows, row.builder)
        for index, row in zip(read_indexes(listed), listed, strict=True)
    ]


def rebuilding_leftovers(indexes: Iterable[CatalogIndex], name: str) -> list[str]:
    """Return which of a table's indexes an interrupted ``REINDEX CONCURRENTLY`` of the index ``name`` left there."""
    return [index.name for index in indexes if not index.valid and _comes_from(index.name, name)]


def _comes_from(leftover: str, name: str) -> bool:
    named = _OF_REBUILD.fullmatch(leftover)
    if named is None:
        return False
    # Postgres shortens the name where the two together would be too long.
    return named[1] == name or (name.startswith(named[1]) and len(leftover.encode()) >= _LONGEST_NAME - 3)


def _options(text: str | None) -> dict[str, int]:
    """Read the options of a vector index, each of which is a whole number."""
    pairs = (part.partition("=") for part in (text or "").split(",") if part)
    return {name: int(value) for name, _, value in pairs}
