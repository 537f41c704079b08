"""The fixes that the doctor proposes, built of names from the catalog, each quoted."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from pgvec.model import VectorType
from pgvec.model.catalog import CatalogColumn, CatalogIndex
from pgvec.model.distance import Distance

__all__ = [
    "analyze",
    "create_index",
    "create_index_operation",
    "delete_zeros",
    "drop_index",
    "drop_index_operation",
    "index_columns",
    "needs_halfvec",
    "plain_storage",
    "rebuild_operation",
    "reindex",
    "set_for_database",
    "show_schema",
    "update_extension",
    "vacuum",
]

_MOST_DIMENSIONS = 2_000


def reindex(schema: str, name: str) -> str:
    """Build an index anew."""
    return _text(sql.SQL("REINDEX INDEX CONCURRENTLY {}").format(sql.Identifier(schema, name)))


def drop_index(schema: str, name: str) -> str:
    """Drop an index."""
    return _text(sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier(schema, name)))


def create_index(column: CatalogColumn, distance: Distance) -> str:
    """Index a column for a distance."""
    held: sql.Composable = sql.Identifier(column.name)
    if needs_halfvec(column):
        held = sql.SQL("({}::{}({}))").format(held, _of_extension(column, "halfvec"), sql.Literal(column.dimensions))
    statement = sql.SQL("CREATE INDEX CONCURRENTLY ON {} USING hnsw ({} {})")
    return _text(statement.format(_table(column), held, _of_extension(column, _operator_class(column, distance))))


def needs_halfvec(column: CatalogColumn) -> bool:
    """Whether only a smaller form of the vectors can be in a graph."""
    return column.type is VectorType.VECTOR and (column.dimensions or 0) > _MOST_DIMENSIONS


def index_columns(schema: str, table: str, columns: tuple[str, ...]) -> str:
    """Index columns of filters."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return _text(sql.SQL("CREATE INDEX CONCURRENTLY ON {} ({})").format(sql.Identifier(schema, table), names))


def analyze(schema: str, table: str) -> str:
    """Gather statistics."""
    return _text(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, table)))


def vacuum(schema: str, table: str) -> str:
    """Let the space of dead rows be used again, and gather statistics."""
    return _text(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(schema, table)))


def plain_storage(column: CatalogColumn) -> tuple[str, ...]:
    """Keep vectors inside of their rows, those that are stored already too."""
    alter = sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET STORAGE PLAIN")
    return (
        _text(alter.format(_table(column), sql.Identifier(column.name))),
        _text(sql.SQL("VACUUM (FULL, ANALYZE) {}").format(_table(column))),
    )


def delete_zeros(column: CatalogColumn, schema: str) -> str:
    """Take away vectors that are zero, so that their rows can be embedded anew."""
    norm = sql.Identifier(schema, "vector_norm" if column.type is VectorType.VECTOR else "l2_norm")
    name = sql.Identifier(column.name)
    return _text(sql.SQL("UPDATE {} SET {} = NULL WHERE {}({}) = 0").format(_table(column), name, norm, name))


def set_for_database(database: str, name: str, value: str) -> str:
    """Set something for new sessions on a database; ``name`` is a setting, ``value`` a value."""
    statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
    return _text(statement.format(sql.Identifier(database), sql.Identifier(*name.split(".")), sql.Literal(value)))


def show_schema(database: str, search_path: str, schema: str) -> str:
    """Put a schema behind what the ``search_path`` shows, which is text that Postgres wrote."""
    path = sql.SQL("{}, {}").format(sql.SQL(search_path), sql.Identifier(schema))
    return _text(sql.SQL("ALTER DATABASE {} SET search_path = {}").format(sql.Identifier(database), path))


def update_extension() -> str:
    """Bring the extension to the version that is installed on the server."""
    return "ALTER EXTENSION vector UPDATE"


def rebuild_operation(index: CatalogIndex) -> str:
    """Build an index anew, in an Alembic migration."""
    return _operation("rebuild_vector_index", index.name, index.table, {"schema": index.schema})


def drop_index_operation(index: CatalogIndex) -> str:
    """Drop an index, in an Alembic migration."""
    return _operation("drop_vector_index", index.name, index.table, {"schema": index.schema, "concurrently": True})


def create_index_operation(column: CatalogColumn, distance: Distance) -> str:
    """Index a column for a distance, in an Alembic migration."""
    name = f"ix_{column.table}_{column.name}_{distance.operator_class_suffix.removesuffix('_ops')}"[:63]
    options: dict[str, object] = {
        "operator_class": _text(_of_extension(column, _operator_class(column, distance))).replace('"', ""),
        "schema": column.schema,
        "concurrently": True,
    }
    if not needs_halfvec(column):
        return _operation("create_vector_index", name, column.table, options, column.name)
    kind = _text(_of_extension(column, "halfvec")).replace('"', "")
    options["expression"] = f"{_text(sql.Identifier(column.name))}::{kind}({column.dimensions})"
    return _operation("create_vector_index", name, column.table, options)


def _operation(name: str, first: str, table: str, options: Mapping[str, object], *more: str) -> str:
    given = [*map(repr, (first, table, *more)), *(f"{key}={value!r}" for key, value in options.items())]
    return f"op.{name}({', '.join(given)})"


def _operator_class(column: CatalogColumn, distance: Distance) -> str:
    kind = VectorType.HALFVEC if needs_halfvec(column) else column.type
    return f"{kind}_{distance.operator_class_suffix}"


def _of_extension(column: CatalogColumn, name: str) -> sql.Identifier:
    return sql.Identifier(name) if column.type_schema is None else sql.Identifier(column.type_schema, name)


def _table(column: CatalogColumn) -> sql.Identifier:
    return sql.Identifier(column.schema, column.table)


def _text(statement: sql.Composable) -> str:
    return statement.as_string(None)
