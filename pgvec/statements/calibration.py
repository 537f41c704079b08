"""The statements of a calibration: temporary tables of random vectors, and scans of them that tell one cost from another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as pg_insert

from pgvec.model import Calibration, Distance, VectorType

__all__ = [
    "DIMENSIONS",
    "FAR",
    "FETCHED",
    "NEAR",
    "READY",
    "SETTINGS",
    "SIZES",
    "TYPES_IN_USE",
    "VERSIONS",
    "Bench",
    "fetch",
    "make_tables",
    "make_vectors",
    "narrow_scan",
    "store",
    "walk",
    "wide_scan",
]

# Below and above the size from which Postgres stores a value apart.
DIMENSIONS = {
    VectorType.VECTOR: (64, 640),
    VectorType.HALFVEC: (64, 1_280),
    VectorType.SPARSEVEC: (640, 4_000),
    VectorType.BIT: (512, 20_480),
}
"""The two numbers of dimensions that each type is measured with."""

NARROW_ROWS, WIDE_ROWS, VECTORS, FETCHED = 60_000, 12_000, 2_400, 800
# A row of two integers takes 36 bytes of a page with its header and pointer, one with the filling 976.
SIZES = ((NARROW_ROWS, NARROW_ROWS / 226), (WIDE_ROWS, WIDE_ROWS / 8))
"""Rows and pages of the table of narrow rows, and of that of wide ones."""

NEAR, FAR = 200, 1_600
"""Elements of a graph that a short walk and a long one visit."""

_NARROW, _WIDE = sql.Identifier("pgvec_calibration_narrow"), sql.Identifier("pgvec_calibration_wide")

READY = sa.text(
    "SELECT pg_catalog.to_regclass('pgvec.calibration') IS NOT NULL AS exists,"
    " coalesce((SELECT pg_catalog.bool_and(pg_catalog.has_table_privilege(c.oid, p))"
    "  FROM pg_catalog.pg_class AS c CROSS JOIN pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS p"
    "  WHERE c.oid = CAST(pg_catalog.to_regclass('pgvec.calibration') AS oid)), false) AS writable,"
    " pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMP')"
    "  AND pg_catalog.current_setting('transaction_read_only') = 'off' AND NOT pg_catalog.pg_is_in_recovery() AS temporary,"
    " (SELECT n.nspname FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace"
    "  WHERE e.extname = 'vector') AS extension_schema"
)
"""Whether this role can measure, and store what it measured."""

TYPES_IN_USE = sa.text(
    "SELECT DISTINCT CAST(t.typname AS text) FROM pg_catalog.pg_attribute AS a"
    " JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'"
    " JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid AND t.typname IN ('vector', 'halfvec', 'sparsevec')"
    " JOIN pg_catalog.pg_extension AS e ON e.extname = 'vector' AND e.extnamespace = t.typnamespace"
    " WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY 1"
)
"""The types of the vector columns of the database."""

SETTINGS = sa.text(
    "SELECT pg_catalog.set_config(s.name, s.value, true) FROM (VALUES"
    " ('jit', 'off'), ('max_parallel_workers_per_gather', '0'), ('max_parallel_maintenance_workers', '0'),"
    " ('maintenance_work_mem', '256MB'), ('enable_seqscan', 'on'), ('enable_bitmapscan', 'off'), ('enable_sort', 'off'),"
    " ('statement_timeout', '0'), ('hnsw.iterative_scan', 'relaxed_order'), ('hnsw.ef_search', '40')) AS s(name, value)"
)
"""What scans have to be alike in; until the end of the transaction."""

VERSIONS = sa.text(
    "SELECT pg_catalog.current_setting('server_version') AS postgres,"
    " (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'vector') AS pgvector"
)


@dataclass(frozen=True, slots=True)
class Bench:
    """A table of vectors: type, number of dimensions, whether they are stored apart, and the schema of the extension."""

    type: VectorType
    dimensions: int
    apart: bool
    schema: str

    @property
    def table(self) -> sql.Identifier:
        """Name of the temporary table."""
        return sql.Identifier(f"pgvec_calibration_{self.type}_{self.dimensions}{'_apart' if self.apart else ''}")

    @property
    def column_type(self) -> sql.Composable:
        """Type of its column."""
        is_bit = self.type is VectorType.BIT
        name = sql.SQL("bit") if is_bit else sql.Identifier(self.schema, self.type.value)
        return sql.SQL("{}({})").format(name, sql.Literal(self.dimensions))

    @property
    def distance(self) -> Distance:
        """The distance that is measured."""
        return Distance.HAMMING if self.type is VectorType.BIT else Distance.L2


def make_tables() -> list[sa.TextClause]:
    """Make a table of narrow rows and one of wide rows: what the same work costs on few pages and on many."""
    return [
        _statement(
            "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT i AS id, i %% 15 AS part FROM generate_series(1, {}) AS i",
            _NARROW,
            sql.Literal(NARROW_ROWS),
        ),
        _statement(
            "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT i AS id, i %% 15 AS part, repeat('x', 900) AS filling"
            " FROM generate_series(1, {}) AS i",
            _WIDE,
            sql.Literal(WIDE_ROWS),
        ),
        _statement("ANALYZE {}", _NARROW),
        _statement("ANALYZE {}", _WIDE),
    ]


def make_vectors(bench: Bench) -> list[sa.TextClause]:
    """Make a table of random vectors with an index for a filter, and where they are in the rows, one for vectors."""
    steps = [
        _statement(
            "CREATE TEMPORARY TABLE {} (id integer, part integer, v {}) ON COMMIT DROP", bench.table, bench.column_type
        ),
        _statement(
            "ALTER TABLE {} ALTER COLUMN v SET STORAGE {}",
            bench.table,
            sql.SQL("EXTERNAL") if bench.apart else sql.SQL("PLAIN"),
        ),
        _copied(bench) if bench.apart else _filled(bench),
        _statement("CREATE INDEX ON {} (part)", bench.table),
        _statement("ANALYZE {}", bench.table),
    ]
    if not bench.apart:
        operator_class = sql.Identifier(bench.schema, f"{bench.type}_{bench.distance.operator_class_suffix}")
        steps.insert(
            4,
            _statement(
                "CREATE INDEX ON {} USING hnsw (v {}) WITH (m = 16, ef_construction = 40)", bench.table, operator_class
            ),
        )
    return steps


def narrow_scan() -> sa.TextClause:
    """Read the narrow table from end to end."""
    return _explained("SELECT count(*) FROM {} WHERE part < 0", _NARROW)


def wide_scan() -> sa.TextClause:
    """Read the wide table from end to end."""
    return _explained("SELECT count(*) FROM {} WHERE part < 0", _WIDE)


def fetch(bench: Bench) -> sa.TextClause:
    """Compare the vectors that an index for a filter finds, without sorting them."""
    return _explained(
        "SELECT count(*) FROM {} WHERE part = 1 AND (v {} (SELECT v FROM {} WHERE id = 1)) < -1",
        bench.table,
        _operator(bench),
        bench.table,
    )


def walk(bench: Bench) -> sa.TextClause:
    """Walk over a graph, whose every row a filter refuses, until the budget is spent."""
    return _explained(
        "SELECT id FROM {} WHERE id < 0 ORDER BY v {} (SELECT v FROM {} WHERE id = 1) LIMIT 1",
        bench.table,
        _operator(bench),
        bench.table,
    )


def store(calibration: Calibration, versions: Any) -> Any:
    """Store what was measured of a type, in the place of an earlier measurement."""
    costs = calibration.costs
    values = {
        "page_cost": costs.page,
        "check_cost": costs.check,
        "row_cost": costs.row,
        "dimension_cost": costs.dimension,
        "detoast_cost": costs.detoast,
        "visit_cost": costs.visit,
        "visit_dimension_cost": costs.visit_dimension,
        "details": {
            "microseconds": dict(calibration.measured),
            "postgres": versions.postgres,
            "pgvector": versions.pgvector,
        },
        "measured_at": sa.func.now(),
    }
    columns = (sa.column(name, JSONB if name == "details" else None) for name in ("type", *values))
    table = sa.table("calibration", *columns, schema="pgvec")
    statement = pg_insert(table).values(type=calibration.type.value, **values)
    return statement.on_conflict_do_update(index_elements=[table.c.type], set_=values)


def _filled(bench: Bench) -> sa.TextClause:
    step = 64 if bench.type is VectorType.BIT else 1
    return _statement(
        "INSERT INTO {} SELECT i, i %% {}, CAST({} AS {}) FROM generate_series(1, {}) AS i CROSS JOIN generate_series(1, {}) AS k"
        " GROUP BY i ORDER BY i",
        bench.table,
        sql.Literal(VECTORS // FETCHED),
        _random(bench),
        bench.column_type,
        sql.Literal(VECTORS),
        sql.Literal(bench.dimensions // step),
    )


def _copied(bench: Bench) -> sa.TextClause:
    return _statement("INSERT INTO {} SELECT * FROM {} ORDER BY id", bench.table, replace(bench, apart=False).table)


def _random(bench: Bench) -> sql.Composable:
    if bench.type is VectorType.BIT:
        # Sixty-four at once: a string of twenty thousand random digits takes longer to make than to measure.
        return sql.SQL("string_agg(CAST(CAST(CAST((random() - 0.5) * 1.8e19 AS bigint) AS bit(64)) AS text), '')")
    if bench.type is VectorType.SPARSEVEC:
        numbers = sql.SQL("array_agg(CAST(CASE WHEN random() < 0.1 THEN random() ELSE 0 END AS real))")
        return sql.SQL("CAST({} AS {})").format(numbers, sql.Identifier(bench.schema, "vector"))
    return sql.SQL("array_agg(CAST(random() AS real))")


def _operator(bench: Bench) -> sql.Composable:
    operator = sql.SQL({Distance.L2: "<->", Distance.HAMMING: "<~>"}[bench.distance])
    return sql.SQL("OPERATOR({}.{})").format(sql.Identifier(bench.schema), operator)


def _explained(text: Any, *parts: sql.Composable) -> sa.TextClause:
    return _statement("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + text, *parts)


def _statement(text: Any, *parts: sql.Composable) -> sa.TextClause:
    # SQLAlchemy writes a % twice where the driver wants it so, and takes a colon for a parameter.
    composed = sql.SQL(text.replace("%%", "%")).format(*parts).as_string(None)
    return sa.text(composed.replace(":", "\\:"))
