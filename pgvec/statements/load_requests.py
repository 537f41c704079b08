"""What a load works with: the columns to write, as the server has them, and what its recipe asks of the driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias

from psycopg import sql

from pgvec.model import Distance, VectorColumn, VectorType
from pgvec.statements.requests import Execute

__all__ = [
    "BINARY_OIDS",
    "CITEXT",
    "TEXT",
    "AskNames",
    "Copied",
    "CopyRows",
    "LoadColumn",
    "LoadRequest",
    "RowForm",
    "Run",
    "ServerColumn",
    "ServerTable",
    "ValueType",
]

BIT_OIDS = frozenset({1560, 1562})
CITEXT = "citext"

# Object identifiers are fixed for built-in types: src/include/catalog/pg_type.dat in Postgres' sources.
BINARY_OIDS: Mapping[int, str] = {
    16: "bool",
    17: "bytea",
    19: "name",
    20: "int8",
    21: "int2",
    23: "int4",
    25: "text",
    114: "json",
    700: "float4",
    701: "float8",
    1042: "bpchar",
    1043: "varchar",
    1082: "date",
    1083: "time",
    1114: "timestamp",
    1184: "timestamptz",
    1186: "interval",
    1266: "timetz",
    1700: "numeric",
    2950: "uuid",
    3802: "jsonb",
}
"""Built-in types whose values pgvec writes in binary, beside vectors, bits, enums, citext, and arrays of all but vectors."""


class RowForm(Enum):
    """How the values of rows are given."""

    PYTHON = auto()
    """As Python objects."""
    TEXT = auto()
    """As text, all of them."""
    JSON = auto()
    """As JSON has them: what it has no type for (dates, UUIDs, ...) is text."""


@dataclass(frozen=True, slots=True)
class ValueType:
    """A type of the server; of a domain, the type below it.

    Attributes:
        oid: Its object identifier.
        name: Its name in ``pg_type``.
        enum: Whether it is an enumeration.
        extension: The extension that brought it, or None.
        element: For an array, the type of its elements.
    """

    oid: int
    name: str
    enum: bool = False
    extension: str | None = None
    element: ValueType | None = None

    @property
    def vector(self) -> VectorType | None:
        """Which of pgvector's types it is, if any."""
        if self.oid in BIT_OIDS:
            return VectorType.BIT
        return VectorType(self.name) if self.extension == "vector" and self.name in set(VectorType) else None

    @property
    def textual(self) -> bool:
        """Whether any text is a value of it."""
        return BINARY_OIDS.get(self.oid) in {"text", "varchar", "bpchar", "name"} or self.name == CITEXT

    @property
    def binary(self) -> bool:
        """Whether pgvec writes its values in binary."""
        if self.element is not None:
            return self.element.binary and self.element.element is None and self.element.vector is None
        return self.oid in BINARY_OIDS or self.enum or self.name == CITEXT or self.vector is not None


TEXT = ValueType(25, "text")


@dataclass(frozen=True, slots=True)
class ServerColumn:
    """A column as the server has it.

    Attributes:
        name: Its name.
        type: What its values are.
        type_schema: Schema of its declared type.
        type_name: Name of its declared type, which may be a domain.
        modifier: What stands in brackets behind the type, as ``pg_attribute.atttypmod`` has it; -1 for nothing.
        identity: Whether it is ``GENERATED ALWAYS AS IDENTITY``.
        generated: Whether the server computes it.
    """

    name: str
    type: ValueType
    type_schema: str
    type_name: str
    modifier: int
    identity: bool
    generated: bool


@dataclass(frozen=True, slots=True)
class ServerTable:
    """A table as the server has it, for the role that asks.

    Attributes:
        plain: Whether it is an ordinary table, neither partitioned nor a view.
        takes_copy: Whether ``COPY`` may write to it: no view, no row-level security in force.
        secured: Whether row-level security is in force.
        columns: Its columns by name.
    """

    plain: bool
    takes_copy: bool
    secured: bool
    columns: Mapping[str, ServerColumn]


@dataclass(frozen=True, slots=True)
class LoadColumn:
    """A column that a load writes.

    Attributes:
        attribute: What rows call it.
        name: Its name in Postgres.
        type: What its values are written as. ``TEXT`` where the server converts them (see ``as_text``).
        vector: The vector column, where it is one.
        distance: The distance that a vector is checked for, or None.
        as_text: Schema and name of the type that the server converts to when it merges values sent as text, or None.
        default: Makes the value from the other values of the row, where rows do not have it.
        parse: Turns text into a value, where rows come from a file.
        bind: SQLAlchemy's own conversion of a value for the driver.
    """

    attribute: str
    name: str
    type: ValueType
    vector: VectorColumn | None = None
    distance: Distance | None = None
    as_text: tuple[str, str] | None = None
    default: Callable[[Mapping[str, Any]], Any] | None = None
    parse: Callable[[str], Any] | None = None
    bind: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class AskNames:
    """Ask for the names that the rows have, as a tuple; None where there are no rows."""


@dataclass(frozen=True, slots=True)
class Run:
    """Ask for a utility statement to be executed."""

    statement: sql.Composed


@dataclass(frozen=True, slots=True)
class CopyRows:
    """Ask for all rows to be sent; the answer is :class:`Copied`.

    Attributes:
        statement: The ``COPY ... FROM STDIN`` in binary.
        relation: Name of the table that it writes to, without the schema.
        columns: What to write, in the order of the statement.
        positions: Whether the position of each row, from 1, comes before its columns.
    """

    statement: sql.Composed
    relation: str
    columns: tuple[LoadColumn, ...]
    positions: bool = False


@dataclass(frozen=True, slots=True)
class Copied:
    """How many rows were sent, and how many the server stored."""

    sent: int
    stored: int


LoadRequest: TypeAlias = AskNames | Execute | Run | CopyRows
