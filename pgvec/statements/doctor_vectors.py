"""The rules of the doctor on vector columns and their indexes."""

from __future__ import annotations

from collections.abc import Iterator

from pgvec.model import Distance, IndexMethod, VectorIndex, VectorType
from pgvec.model.catalog import CatalogColumn
from pgvec.model.doctor import ColumnHealth, Finding, Health, IndexHealth, Severity, TableHealth
from pgvec.statements import doctor_sql
from pgvec.statements.doctor_uses import Use, read_index, serves, uses

__all__ = ["vector_findings"]

_MANY_ROWS = 50_000
_MANY_NULLS = 0.1
_FEW_SCANS = 10
# Elements that a scan visits for each that it returns, and the part of the budget that is no accident any more.
_VISITED_PER_RESULT = 2.4
_EXHAUSTED = 0.5


def vector_findings(health: Health) -> Iterator[Finding]:
    """Yield what is wrong with vectors and their indexes."""
    tables = {(table.schema, table.name): table for table in health.tables}
    for index in health.indexes:
        yield from _invalid(index)
        yield from _budget(health, index)
    for found in health.columns:
        table = tables.get((found.column.schema, found.column.table))
        if table is None or table.partition:
            continue
        yield from _contents(found, health)
        yield from _indexing(found.column, table, health)


def _name(column: CatalogColumn) -> str:
    return f"{column.schema}.{column.table}.{column.name}"


# Indexes by themselves


def _invalid(index: IndexHealth) -> Iterator[Finding]:
    state = index.vector
    if index.valid or (state is not None and state.status == "building"):
        return
    yield Finding(
        "index.invalid",
        Severity.ERROR,
        f"{index.schema}.{index.name}",
        f"a build on {index.schema}.{index.table} left it INVALID: every write pays for it, and no search uses it",
        "Build it anew, or drop it",
        (doctor_sql.reindex(index.schema, index.name),),
        () if state is None else (doctor_sql.rebuild_operation(state.index),),
    )


def _budget(health: Health, index: IndexHealth) -> Iterator[Finding]:
    state, budget = index.vector, health.server.max_scan_tuples
    if state is None or state.index.method is not IndexMethod.HNSW or state.scans < _FEW_SCANS:
        return
    returned = index.tuples_read / state.scans
    if returned * _VISITED_PER_RESULT < _EXHAUSTED * budget:
        return
    yield Finding(
        "scan.budget",
        Severity.WARNING,
        f"{index.schema}.{index.name}",
        f"{state.scans:,} scans returned {returned:,.0f} entries on average, for which they visited about "
        f"{returned * _VISITED_PER_RESULT:,.0f}, and hnsw.max_scan_tuples is {budget:,}: filters that point away from the query "
        "exhaust it, and such searches come back short",
        "Search through pgvec, which then answers exactly; or give the filter an index or the hot value a partial one "
        "(pgvec advise), or raise the budget",
        (doctor_sql.set_for_database(health.server.database, "hnsw.max_scan_tuples", f"{budget * 2:d}"),),
    )


# What a column holds


def _contents(found: ColumnHealth, health: Health) -> Iterator[Finding]:
    column, sample = found.column, found.sample
    if sample is None or not sample.rows:
        if found.null_share:
            yield _nulls(column, found.null_share, "by the statistics")
        return
    seen = f"among {sample.rows:,} rows"
    if sample.present < sample.rows:
        yield _nulls(column, 1 - sample.present / sample.rows, seen)
    if sample.zeros:
        schema = health.server.extension_schema
        assert schema is not None, "the column has a type of the extension"
        yield Finding(
            "vectors.zero",
            Severity.WARNING,
            _name(column),
            f"{sample.zeros:,} vectors are zero {seen}: they have no cosine distance, HNSW leaves them out, and they are what failed "
            "embedders return",
            "Take them away, and embed these rows anew",
            (doctor_sql.delete_zeros(column, schema),),
        )
    if len(sample.dimensions) > 1:
        listed = ", ".join(f"{length:,}" for length in sample.dimensions)
        yield Finding(
            "vectors.dimensions",
            Severity.ERROR,
            _name(column),
            f"vectors of {listed} dimensions are in one column {seen}: comparing them fails, and it cannot be indexed",
            "Embed all rows with one model, then give the column its number of dimensions",
            migration=(
                f"op.alter_embedding({column.table!r}, {column.name!r}, dimensions=..., schema={column.schema!r})",
            ),
        )


def _nulls(column: CatalogColumn, share: float, seen: str) -> Finding:
    return Finding(
        "vectors.null",
        Severity.WARNING if share >= _MANY_NULLS else Severity.NOTE,
        _name(column),
        f"{share:.1%} of the rows have no vector {seen}: no search finds them",
        "Embed them: a sync keeps embeddings in step with their text (pgvec sync, pgvec worker)",
    )


# How it is indexed


def _indexing(column: CatalogColumn, table: TableHealth, health: Health) -> Iterator[Finding]:
    on_column: list[tuple[IndexHealth, VectorIndex | None]] = []
    for index in health.indexes:
        if index.vector is None or (index.schema, index.table) != (column.schema, column.table):
            continue
        read, is_on_column = read_index(index.vector.index, column)
        if is_on_column:
            on_column.append((index, read))
    if not on_column:
        yield from _missing(column, table, health)
        return
    for index, read in on_column:
        if index.valid and read is None:
            yield _unrepeatable(index)
    usable = [read for index, read in on_column if index.valid and read is not None]
    if usable:
        yield from _unserved(column, usable, list(uses(health, column)))


def _missing(column: CatalogColumn, table: TableHealth, health: Health) -> Iterator[Finding]:
    rows = table.rows
    if rows < _MANY_ROWS or column.type is VectorType.BIT:
        return
    declared = next((use.distance for use in uses(health, column)), Distance.COSINE)
    fixed = column.dimensions is not None
    yield Finding(
        "index.missing",
        Severity.WARNING,
        _name(column),
        f"about {rows:,} rows and no vector index: every search without a filter compares all of them",
        "Index the column" if fixed else "Give the column its number of dimensions, then index it",
        (doctor_sql.create_index(column, declared),) if fixed else (),
        (doctor_sql.create_index_operation(column, declared),) if fixed else (),
    )


def _unrepeatable(index: IndexHealth) -> Finding:
    assert index.vector is not None
    held = index.vector.index.expression or index.vector.index.operator_class
    return Finding(
        "index.expression",
        Severity.WARNING,
        f"{index.schema}.{index.name}",
        f"it is on {held}, which no search of pgvec asks for: an index serves only queries that say what it says",
        "Index the column itself, a halfvec cast, binary_quantize or the leading dimensions instead; keep it only for SQL of your own",
        (doctor_sql.drop_index(index.schema, index.name),),
        (doctor_sql.drop_index_operation(index.vector.index),),
    )


def _unserved(column: CatalogColumn, usable: list[VectorIndex], used: list[Use]) -> Iterator[Finding]:
    """Yield, once for each distance, the searches that no index of the column serves."""
    told: set[tuple[str, Distance]] = set()
    names = ", ".join(f"{index.name} ({index.distance})" for index in usable)
    for use in used:
        # Bits are compared by the Hamming distance, whatever the whole vectors are ordered by afterwards.
        by_distance = [index for index in usable if serves(index, use)]
        if not by_distance:
            check, what = (
                "index.operator_class",
                f"the {use.distance} distance, which none of its indexes serves: {names}",
            )
        elif use.form is not None and all(_form(index, column) != use.form for index in by_distance):
            check, what = "index.expression", f"another expression than its indexes hold: {names}"
        else:
            continue
        if (check, use.distance) in told:
            continue
        told.add((check, use.distance))
        yield Finding(
            check,
            Severity.WARNING,
            _name(column),
            f"it is searched by {what}; {use.source}",
            "Index it for that distance, or search by the one that is indexed"
            if check == "index.operator_class"
            else "Let the query say what the index holds, or search through pgvec, which does; or index what the query says",
            (doctor_sql.create_index(column, use.distance),),
            (doctor_sql.create_index_operation(column, use.distance),),
        )


def _form(index: VectorIndex, column: CatalogColumn) -> tuple[VectorType, int | None]:
    return index.quantization or column.type, index.dimensions
