"""The SQL of proposals, built of names from the catalog and constants from its statistics, each quoted."""

from __future__ import annotations

import hashlib
import re

from psycopg import sql

from pgvec.model import TableState, Target, VectorIndex, VectorType

__all__ = [
    "analyze",
    "gin_index",
    "partial_hnsw",
    "plain_index",
    "plain_storage",
    "set_memory",
    "statistics",
]

_LONGEST_NAME = 63
_MOST_HNSW_DIMENSIONS = 2_000
_NUMBERS = frozenset({"int2", "int4", "int8"})
_BOOLEANS = {"t": "true", "f": "false"}


def analyze(state: TableState) -> str:
    """Gather statistics."""
    return _text(sql.SQL("ANALYZE {}").format(_table(state)))


def plain_index(state: TableState, columns: tuple[str, ...], include: tuple[str, ...] = ()) -> str:
    """Index columns for equality and ranges."""
    name = _name(state, *columns, "idx")
    statement = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} ({})").format(name, _table(state), _names(columns))
    return _text(statement + sql.SQL(" INCLUDE ({})").format(_names(include)) if include else statement)


def gin_index(state: TableState, column: str, *, as_json: bool) -> str:
    """Index what a column contains."""
    suffix = sql.SQL(" jsonb_path_ops") if as_json else sql.SQL("")
    statement = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} USING gin ({}{})")
    return _text(statement.format(_name(state, column, "gin"), _table(state), sql.Identifier(column), suffix))


def partial_hnsw(
    state: TableState, target: Target, like: VectorIndex | None, column: str, value: tuple[str, str]
) -> str:
    """Index the vectors of the rows that have one value, in the form that another index has, if there is one.

    Args:
        state: The table.
        target: What is searched.
        like: The other index, or None.
        column: The column that has the value.
        value: The value as the statistics have it, and the name of its type.
    """
    vector, suffix = target.column, target.distance.operator_class_suffix
    quantization = like.quantization if like is not None else None
    if quantization is None and vector.type is VectorType.VECTOR and (vector.dimensions or 0) > _MOST_HNSW_DIMENSIONS:
        quantization = VectorType.HALFVEC
    expression: sql.Composable = sql.Identifier(vector.name)
    if quantization is VectorType.HALFVEC:
        type_ = sql.Identifier(state.extension_schema, "halfvec")
        size = sql.SQL("({})").format(sql.Literal(vector.dimensions)) if vector.dimensions else sql.SQL("")
        expression = sql.SQL("(({}::{}{}))").format(expression, type_, size)
    stored = vector.type if quantization is not VectorType.HALFVEC else VectorType.HALFVEC
    operator_class = sql.Identifier(state.extension_schema, f"{stored.value}_{suffix}")
    statement = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} USING hnsw ({} {}) WHERE {} = {}")
    name = _name(state, vector.name, column, value[0], "hnsw")
    return _text(
        statement.format(name, _table(state), expression, operator_class, sql.Identifier(column), _constant(*value))
    )


def plain_storage(state: TableState, column: str) -> tuple[str, ...]:
    """Keep vectors inside of the table's pages, those that are stored already too."""
    alter = sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET STORAGE PLAIN").format(_table(state), sql.Identifier(column))
    return _text(alter), _text(sql.SQL("VACUUM (FULL, ANALYZE) {}").format(_table(state)))


def statistics(state: TableState, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Gather statistics of columns together."""
    name = sql.Identifier(state.schema, _short(state.name, *columns, "stat"))
    create = sql.SQL("CREATE STATISTICS {} ON {} FROM {}").format(name, _names(columns), _table(state))
    return _text(create), analyze(state)


def set_memory(megabytes: int) -> str:
    """Give the builds that follow in the same session memory."""
    return _text(sql.SQL("SET maintenance_work_mem = {}").format(sql.Literal(f"{megabytes:d}MB")))


def _constant(value: str, type_: str) -> sql.Composable:
    """Return a value of the statistics as a constant of SQL."""
    if type_ in _NUMBERS and re.fullmatch(r"-?\d+", value):
        return sql.SQL("{}").format(sql.Literal(int(value)))
    if type_ == "bool":
        return sql.Literal(_BOOLEANS.get(value) == "true")
    return sql.Literal(value)


def _text(statement: sql.Composable) -> str:
    return statement.as_string(None)


def _table(state: TableState) -> sql.Identifier:
    return sql.Identifier(state.schema, state.name)


def _names(columns: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _name(state: TableState, *parts: str) -> sql.Identifier:
    return sql.Identifier(_short(state.name, *parts))


def _short(*parts: str) -> str:
    """Return a name that Postgres does not cut, the same for the same parts."""
    name = "_".join(re.sub(r"\W+", "_", part.lower()) for part in parts)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
    plain = all(re.fullmatch(r"[a-z0-9_]+", part) for part in parts)
    if plain and len(name) <= _LONGEST_NAME:
        return name
    ascii_name = re.sub(r"[^a-z0-9_]", "", name)
    return f"{ascii_name[: _LONGEST_NAME - 9]}_{digest}"
