"""The rules of the doctor on tables: statistics, dead rows, filters, storage."""

from __future__ import annotations

from collections.abc import Iterator

from pgvec.model import VectorType
from pgvec.model.doctor import ColumnHealth, Finding, Health, SeenFilter, Severity, TableHealth
from pgvec.statements import doctor_sql

__all__ = ["table_findings"]

_FEW_ROWS = 1_000
_STALE_SHARE = 0.25
_BLOATED_SHARE = 0.2
# A vector that fits into a page beside other columns, and is larger than what Postgres keeps in the row by itself.
_TOASTED_BYTES = 2_000
_FITTING_BYTES = 7_500
_OFTEN_SCANNED = 10
_OFTEN_READ = 20
_BYTES = {VectorType.VECTOR: 4.0, VectorType.HALFVEC: 2.0, VectorType.SPARSEVEC: 4.0, VectorType.BIT: 0.125}
_FOUND_BY_INDEX = frozenset({"=", "in", "<", "<=", ">", ">=", "is null"})


def table_findings(health: Health) -> Iterator[Finding]:
    """Yield what is wrong with tables."""
    columns: dict[tuple[str, str], list[ColumnHealth]] = {}
    for column in health.columns:
        columns.setdefault((column.column.schema, column.column.table), []).append(column)
    filters: dict[tuple[str, str], list[SeenFilter]] = {}
    for seen in health.filters:
        filters.setdefault((seen.schema, seen.table), []).append(seen)
    for table in health.tables:
        name = (table.schema, table.name)
        yield from _statistics(table)
        yield from _bloat(table)
        yield from _storage(table, columns.get(name, []))
        yield from _filters(_rows(table, health), table, filters.get(name, []))


def _statistics(table: TableHealth) -> Iterator[Finding]:
    if table.partitioned or table.rows < _FEW_ROWS:
        return
    if not table.analyzed:
        evidence = f"it has about {table.rows:,} rows and no statistics: neither Postgres nor pgvec knows how many rows a filter passes"
    elif table.changed_rows > max(_FEW_ROWS, _STALE_SHARE * table.rows):
        evidence = f"{table.changed_rows:,} of about {table.rows:,} rows were written since statistics were gathered"
    else:
        return
    yield Finding(
        "statistics.stale",
        Severity.WARNING,
        f"{table.schema}.{table.name}",
        evidence,
        "Gather statistics; after bulk loads do not wait for autovacuum",
        (doctor_sql.analyze(table.schema, table.name),),
    )


def _bloat(table: TableHealth) -> Iterator[Finding]:
    if table.dead_rows < _FEW_ROWS or table.dead_share < _BLOATED_SHARE:
        return
    yield Finding(
        "table.bloat",
        Severity.WARNING,
        f"{table.schema}.{table.name}",
        f"{table.dead_rows:,} dead rows beside {table.rows:,} ({table.dead_share:.0%}): index scans walk over them",
        "Vacuum the table, look for a transaction that stays open, and let autovacuum come sooner; then rebuild its vector indexes",
        (doctor_sql.vacuum(table.schema, table.name),),
    )


def _storage(table: TableHealth, columns: list[ColumnHealth]) -> Iterator[Finding]:
    if table.sequential_scans < _OFTEN_SCANNED or table.toast_reads < _OFTEN_READ * max(table.toast_pages, 100):
        return
    for found in columns:
        column = found.column
        size = (column.dimensions or 0) * _BYTES[column.type]
        if (
            column.storage == "plain"
            or column.type is VectorType.SPARSEVEC
            or not _TOASTED_BYTES < size < _FITTING_BYTES
        ):
            continue
        yield Finding(
            "storage.toasted",
            Severity.WARNING,
            f"{column.schema}.{column.table}.{column.name}",
            f"a vector has {size:,.0f} bytes and is stored apart from its row; the table was read from end to end "
            f"{table.sequential_scans:,} times, and {table.toast_reads:,} pages of vectors with it, of which there are {table.toast_pages:,}",
            "Keep the vectors inside of the rows (VACUUM FULL locks the table), or index the column and its filters",
            doctor_sql.plain_storage(column),
            (f"op.alter_embedding({column.table!r}, {column.name!r}, storage='plain', schema={column.schema!r})",),
        )


def _rows(table: TableHealth, health: Health) -> int:
    """Rows of a table; those of a partitioned one are in its partitions, whose sum is no smaller."""
    if not table.partitioned:
        return table.rows
    return max(table.rows, sum(other.rows for other in health.tables if other.partition))


def _filters(rows: int, table: TableHealth, filters: list[SeenFilter]) -> Iterator[Finding]:
    """Yield filters of which no part is found by an index: columns of few values are not worth one."""
    if rows < _FEW_ROWS:
        return
    searches: dict[tuple[str, ...], int] = {}
    for seen in filters:
        served = any(name in table.leading for name, _ in seen.parts)
        usable = tuple(dict.fromkeys(n for n, sign in seen.parts if sign in _FOUND_BY_INDEX and n not in table.narrow))
        if usable and not served:
            searches[usable] = searches.get(usable, 0) + seen.searches
    for columns, count in searches.items():
        yield Finding(
            "filter.unindexed",
            Severity.WARNING,
            f"{table.schema}.{table.name} ({', '.join(columns)})",
            f"{count:,} searches were filtered by {' and '.join(columns)}, and no index finds such rows among about {rows:,}",
            f"Index them;  pgvec advise --table {table.name}  weighs the ways to do it",
            (doctor_sql.index_columns(table.schema, table.name, columns),),
        )
