"""Statements of a bulk load: what the server knows of the table, COPY, the staging table, and the merge.

Utility statements, which take no parameters and which SQLAlchemy has no words for, are composed by psycopg.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import UserDefinedType

from pgvec.statements.load_requests import LoadColumn, ServerColumn, ServerTable, ValueType

__all__ = [
    "Merge",
    "OnConflict",
    "Relation",
    "copy_into",
    "copy_into_staging",
    "create_staging",
    "describe",
    "drop_staging",
    "read_table",
]

OnConflict: TypeAlias = Literal["error", "skip", "update"]

_POSITION = "position"

_DESCRIBE = sa.text(
    "SELECT c.relkind, pg_catalog.row_security_active(c.oid), a.attname, a.atttypmod, a.attidentity = 'a',"
    " a.attgenerated <> '', n.nspname, d.typname, t.oid, t.typname, t.typtype = 'e', x.extname,"
    " e.oid, e.typname, e.typtype = 'e', ex.extname"
    " FROM pg_catalog.pg_class AS c"
    " JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " JOIN pg_catalog.pg_type AS d ON d.oid = a.atttypid"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = d.typnamespace"
    " JOIN pg_catalog.pg_type AS t ON t.oid = CASE d.typtype WHEN 'd' THEN d.typbasetype ELSE d.oid END"
    " LEFT JOIN pg_catalog.pg_depend AS p ON p.classid = 'pg_catalog.pg_type'::regclass AND p.objid = t.oid"
    " AND p.deptype = 'e' AND p.refclassid = 'pg_catalog.pg_extension'::regclass"
    " LEFT JOIN pg_catalog.pg_extension AS x ON x.oid = p.refobjid"
    " LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND e.typarray = t.oid"
    " LEFT JOIN pg_catalog.pg_depend AS ep ON ep.classid = 'pg_catalog.pg_type'::regclass AND ep.objid = e.oid"
    " AND ep.deptype = 'e' AND ep.refclassid = 'pg_catalog.pg_extension'::regclass"
    " LEFT JOIN pg_catalog.pg_extension AS ex ON ex.oid = ep.refobjid"
    " WHERE c.oid = CAST(:relation AS regclass)"
)


@dataclass(frozen=True, slots=True)
class Relation:
    """A table by name; ``schema`` is None where the search path finds it."""

    schema: str | None
    name: str

    @property
    def identifier(self) -> sql.Identifier:
        """The quoted name."""
        return sql.Identifier(self.name) if self.schema is None else sql.Identifier(self.schema, self.name)


def describe(relation: Relation) -> sa.TextClause:
    """Ask the catalog for the columns of a table, their types, and whether row-level security is in force."""
    return _DESCRIBE.bindparams(relation=relation.identifier.as_string(None))


def read_table(rows: Sequence[Any]) -> ServerTable:
    """Read the answer to :func:`describe`."""
    kind, secured = rows[0][:2]
    return ServerTable(
        plain=kind == "r",
        takes_copy=kind in {"r", "p", "f"} and not secured,
        secured=secured,
        columns={column.name: column for column in map(_read_column, rows)},
    )


def _read_column(row: Sequence[Any]) -> ServerColumn:
    name, modifier, identity, generated, type_schema, type_name, *of_type = row[2:]
    oid, base_name, enum, extension, element_oid, *of_element = of_type
    element = None if element_oid is None else ValueType(element_oid, *of_element)
    value_type = ValueType(oid, base_name, enum, extension, element)
    return ServerColumn(name, value_type, type_schema, type_name, modifier, identity, generated)


def copy_into(relation: Relation, columns: Sequence[str]) -> sql.Composed:
    """Write COPY in binary into these columns."""
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(relation.identifier, _listed(columns))


def create_staging(staging: Relation, relation: Relation, columns: Sequence[LoadColumn]) -> sql.Composed:
    """Make a table for the position of a row and these columns that goes with the transaction.

    It has the types and nothing else: no index, constraint, default or trigger. Rows up to the size of a page stay in one
    piece, since moving each vector to a TOAST table and back takes longer than the rest of the merge.
    """
    selected = [
        sql.SQL("NULL::pg_catalog.text AS {}").format(sql.Identifier(name))
        if column.as_text
        else sql.SQL("{} AS {}").format(sql.Identifier(column.name), sql.Identifier(name))
        for name, column in zip(_staged_names(columns), columns, strict=True)
    ]
    return sql.SQL(
        "CREATE TEMPORARY TABLE {staging} WITH (toast_tuple_target = 8160) ON COMMIT DROP"
        " AS SELECT NULL::pg_catalog.int8 AS {position}, {selected} FROM {relation} WITH NO DATA"
    ).format(
        staging=staging.identifier,
        position=sql.Identifier(_POSITION),
        selected=sql.SQL(", ").join(selected),
        relation=relation.identifier,
    )


def copy_into_staging(staging: Relation, columns: Sequence[LoadColumn]) -> sql.Composed:
    """Write COPY in binary into the staging table: the position, then the columns."""
    return copy_into(staging, [_POSITION, *_staged_names(columns)])


def drop_staging(staging: Relation) -> sql.Composed:
    """Drop the staging table before the transaction ends, so that a second load does not pay for the first."""
    return sql.SQL("DROP TABLE {}").format(staging.identifier)


@dataclass(frozen=True, slots=True)
class Merge:
    """How staged rows get into the table.

    Attributes:
        table: The table.
        server: The same as the server has it.
        staging: The staging table.
        columns: What was staged.
        on_conflict: What happens to a row whose key exists.
        key: Names of the columns that make up the key.
        distinct: Whether to look for rows of the input with the same key, and merge only the last of them. Without, Postgres
            refuses an ``update`` that meets two of them (SQLSTATE 21000).
    """

    table: sa.Table
    server: ServerTable
    staging: Relation
    columns: tuple[LoadColumn, ...]
    on_conflict: OnConflict
    key: tuple[str, ...]
    distinct: bool = False

    def statement(self) -> sa.Executable:
        """Merge all rows.

        For ``update`` the statement returns one row: how many rows it wrote, and how many of these replaced another.
        """
        if self.on_conflict != "update":
            return self._insert().execution_options(preserve_rowcount=True)
        # The row that ON CONFLICT DO UPDATE replaces was locked by this transaction first, and its successor's xmax says so.
        # Partitions and views have no xmax to return: their keys are looked up in the snapshot of the same statement.
        replaced = sa.literal_column("xmax") != sa.literal_column("0") if self.server.plain else sa.false()
        written = self._insert().returning(replaced.label("replaced")).cte("written")
        updates = sa.func.count().filter(written.c.replaced) if self.server.plain else self._existing()
        return sa.select(sa.func.count(), updates).select_from(written)

    def part(self, after: int, to: int) -> sa.Executable:
        """Merge the rows whose positions are above ``after`` and up to ``to``."""
        return self._insert(after, to)

    def _insert(self, after: int | None = None, to: int | None = None) -> postgresql.Insert:
        staged = self._staged()
        # No ORDER BY: rows leave a temporary table in the order in which one COPY put them in, and sorting vectors would
        # cost more than the load. (In a table that its own transaction made, COPY does not go back to fill free space.)
        source = sa.select(*(_value(staged, column, n) for n, column in enumerate(self.columns, start=1)))
        if after is not None and to is not None:
            source = source.where(staged.c[_POSITION] > after, staged.c[_POSITION] <= to)
        if self.distinct:
            source = source.where(self._is_last(staged))
        names = [column.name for column in self.columns]
        insert = postgresql.insert(self.table).from_select([self._column(name) for name in names], source)
        if self.on_conflict == "skip":
            return insert.on_conflict_do_nothing(index_elements=[self._column(name) for name in self.key])
        if self.on_conflict == "update":
            return insert.on_conflict_do_update(
                index_elements=[self._column(name) for name in self.key], set_=self._changes(insert)
            )
        return insert

    def _changes(self, insert: postgresql.Insert) -> dict[sa.Column[Any], Any]:
        """What an update sets: the columns that rows had, and ``onupdate`` of the mapping for those they had not."""
        given = [column.name for column in self.columns if column.default is None]
        changes: dict[sa.Column[Any], Any] = {
            column: _on_update(column.onupdate)
            for column in self.table.c
            if column.onupdate is not None and column.name not in given
        }
        for name in [name for name in given if name not in self.key] or self.key:
            changes[self._column(name)] = insert.excluded[self._column(name).key]
        return changes

    def _existing(self) -> sa.ScalarSelect[int]:
        staged = self._staged()
        there = sa.exists().where(*(self._column(n) == staged.c[at] for n, at in self._key_positions()))
        return (
            sa.select(sa.func.count())
            .select_from(staged)
            .where(there, *([self._is_last(staged)] if self.distinct else []))
            .scalar_subquery()
        )

    def _is_last(self, staged: sa.TableClause) -> sa.ColumnElement[bool]:
        """Whether no later row of the input has the same key."""
        later = staged.alias("later")
        same = [later.c[at] == staged.c[at] for _, at in self._key_positions()]
        return ~sa.exists().where(*same, later.c[_POSITION] > staged.c[_POSITION])

    def _key_positions(self) -> list[tuple[str, str]]:
        """The key's columns with their names in the staging table."""
        names = [column.name for column in self.columns]
        staged_names = _staged_names(self.columns)
        return [(name, staged_names[names.index(name)]) for name in self.key]

    def _staged(self) -> sa.TableClause:
        columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in (_POSITION, *_staged_names(self.columns))]
        return sa.table(self.staging.name, *columns, schema=self.staging.schema)

    def _column(self, name: str) -> sa.Column[Any]:
        return next(column for column in self.table.c if column.name == name)


class _NamedType(UserDefinedType[Any]):
    """A type by the name that the catalog gives, as the target of a cast."""

    cache_ok = True

    def __init__(self, schema: str, name: str) -> None:
        self.schema = schema
        self.name = name

    def get_col_spec(self, **_kw: Any) -> str:
        return sql.Identifier(self.schema, self.name).as_string(None)


def _value(staged: sa.TableClause, column: LoadColumn, number: int) -> sa.ColumnElement[Any]:
    value: sa.ColumnElement[Any] = staged.c[_staged_name(number)]
    return sa.cast(value, _NamedType(*column.as_text)) if column.as_text else value


def _on_update(generator: Any) -> Any:
    """What a column's ``onupdate`` gives; a function is called once for the whole load."""
    return generator.arg(None) if generator.is_callable else generator.arg


def _staged_names(columns: Sequence[LoadColumn]) -> list[str]:
    return [_staged_name(number) for number, _ in enumerate(columns, start=1)]


def _staged_name(number: int) -> str:
    # Not the column's own name, which could be that of the position.
    return f"column_{number}"


def _listed(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
