"""The recipe of the doctor: asks what is to be known of a database, and applies the rules."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any

from pgvec.errors import InvalidOptionError, MappingMismatchError
from pgvec.model.doctor import (
    CHECKS,
    ColumnHealth,
    Diagnosis,
    Health,
    Pooling,
    SeenStatement,
    TableHealth,
    UsedDistance,
)
from pgvec.operations.attempts import attempt
from pgvec.sql import migration_record
from pgvec.statements import catalog, doctor
from pgvec.statements.doctor_rules import apply_rules
from pgvec.statements.requests import Execute, Place, Request

__all__ = ["PLACE", "check_ids", "examine"]

PLACE = Place(migration_record)


def examine(
    *,
    table: str | None = None,
    schema: str | None = None,
    distances: Sequence[UsedDistance] = (),
    pooling: Pooling | None = None,
    ignore: Collection[str] = (),
) -> Generator[Request, Any, Diagnosis]:
    """Look at a database, or at one of its tables, and tell what is wrong. Nothing is written.

    Args:
        table: The table; None takes every table with vectors.
        schema: Its Postgres schema; None takes what the ``search_path`` shows, or with ``table=None`` all.
        distances: By which distances columns are searched.
        pooling: What stands between client and server; None where that is not known.
        ignore: Ids of checks to leave out.

    Raises:
        MappingMismatchError: There is no such table with vectors.
    """
    row, unchecked = yield from _server()
    scripts = (yield Execute(doctor.SCRIPTS, PLACE)).rows if row.has_scripts else None
    tables = doctor.read_tables((yield Execute(doctor.query("tables"), PLACE)).rows)
    chosen = _chosen(tables, table, schema)
    names = {(found.schema, found.name) for found in chosen}
    columns, hidden = yield from _columns(names, chosen, row.extension_schema)
    unchecked += hidden
    states = catalog.read_states((yield Execute(catalog.INDEX_STATES, PLACE)).rows)
    indexes = doctor.read_indexes((yield Execute(doctor.query("indexes"), PLACE)).rows, states)
    filters = doctor.read_filters((yield Execute(doctor.FILTERS, PLACE)).rows) if row.has_shapes else ()
    statements, note = yield from _statements(row.statements_schema)
    health = Health(
        server=doctor.read_server(row, scripts),
        tables=chosen,
        columns=columns,
        indexes=tuple(index for index in indexes if (index.schema, index.table) in names),
        filters=filters,
        statements=statements,
        distances=tuple(distances),
        pooling=pooling or Pooling(),
    )
    findings = tuple(finding for finding in apply_rules(health) if finding.check not in ignore)
    return Diagnosis(findings, len(chosen), (*unchecked, *note))


def _server() -> Generator[Request, Any, tuple[Any, list[str]]]:
    """Read the settings; those of pgvector are known once its library is loaded."""
    (row,) = (yield Execute(doctor.query("server"), PLACE)).rows
    if row.extension_schema is None:
        return row, []
    loaded = yield from attempt(Execute(doctor.load_library(row.extension_schema), PLACE, savepoint=True))
    if loaded is None:
        return row, ["settings of pgvector, whose schema this role may not use"]
    (row,) = (yield Execute(doctor.query("server"), PLACE)).rows
    return row, []


def check_ids(ids: object, option: str) -> frozenset[str]:
    """Return ids of checks, once every one is known.

    Raises:
        InvalidOptionError: One is not.
    """
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        raise InvalidOptionError(f"{option} takes a list of ids of checks, not {ids!r:.80}")
    listed = list(ids)
    for name in listed:
        if not isinstance(name, str) or name not in CHECKS:
            raise InvalidOptionError(f"{option} names {name!r:.80}, which is no check; there are: {', '.join(CHECKS)}")
    return frozenset(listed)


def _chosen(tables: Sequence[TableHealth], table: str | None, schema: str | None) -> tuple[TableHealth, ...]:
    chosen = tuple(
        found
        for found in tables
        if (table is None or found.name == table)
        and (schema is None or found.schema == schema)
        and (table is None or schema is not None or found.visible)
    )
    if table is not None and not chosen:
        place = "where the search_path leads" if schema is None else f"in the schema {schema!r}"
        raise MappingMismatchError(
            f"there is no table {table!r} with vectors {place}; there are: "
            + (", ".join(f"{found.schema}.{found.name}" for found in tables[:20]) or "none")
        )
    return chosen


def _columns(
    names: set[tuple[str, str]], tables: Sequence[TableHealth], extension_schema: str | None
) -> Generator[Request, Any, tuple[tuple[ColumnHealth, ...], list[str]]]:
    """Read the columns and look into some rows of each; partitions are looked into through their table."""
    listed = catalog.read_columns((yield Execute(catalog.VECTOR_COLUMNS, PLACE)).rows)
    known = doctor.read_columns(listed, (yield Execute(doctor.query("columns"), PLACE)).rows)
    by_name = {(table.schema, table.name): table for table in tables}
    columns, hidden = [], []
    for found in known:
        column = found.column
        if (column.schema, column.table) not in names:
            continue
        sampled = None
        table = by_name[column.schema, column.table]
        if extension_schema is not None and not table.partition:
            what = f"{column.schema}.{column.table}.{column.name}: its vectors"
            if found.readable:
                ask = Execute(doctor.sample(column, extension_schema, table.rows), PLACE, savepoint=True)
                sampled = yield from attempt(ask)
            if not sampled:
                hidden.append(f"{what}, which this role may not read")
        columns.append(found if not sampled else replace(found, sample=doctor.read_sample(sampled[0])))
    return tuple(columns), hidden


def _statements(schema: str | None) -> Generator[Request, Any, tuple[tuple[SeenStatement, ...], list[str]]]:
    """Read the statements that the server remembers, where it does and the role may know."""
    if schema is None:
        return (), []
    rows = yield from attempt(Execute(doctor.statements_seen(schema), PLACE, savepoint=True))
    if rows is None:
        return (), ["pg_stat_statements: what others run, which cannot be read"]
    return doctor.read_statements(rows), []
