"""A vector index spelled out: what a migration keeps, so that later versions of model and library do not change what it makes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql.elements import Grouping, conv

from pgvec.errors import InvalidOptionError
from pgvec.model import IndexMethod
from pgvec.model.catalog import CatalogIndex
from pgvec.orm.rules import choose

__all__ = ["IndexDefinition", "expression_text", "is_vector_index"]

_KEY = "pgvec_indexed"
# As it will stand in a migration, where nothing doubles percent signs for a driver.
_DIALECT = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_WITH_OPERATOR_CLASS = re.compile(r"(.*\S)\s+(\S+_ops)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class IndexDefinition:
    """What ``op.create_vector_index`` is told, with the same names."""

    name: str
    table: str
    column: str | None
    operator_class: str | None
    method: str = "hnsw"
    expression: str | None = None
    options: Mapping[str, int] = field(default_factory=dict)
    where: str | None = None
    schema: str | None = None
    tablespace: str | None = None

    def __post_init__(self) -> None:
        choose(IndexMethod, self.method, "method")
        if (self.column is None) == (self.expression is None):
            raise InvalidOptionError(
                f"the index {self.name!r} is on a column or on an expression: give one of the two, and not both"
            )

    @classmethod
    def from_index(cls, index: sa.Index, name: str) -> IndexDefinition:
        """Return the definition of an index that a model declares; ``name`` is what the naming convention makes of its name."""
        assert index.table is not None, "an index of a model belongs to a table"
        (indexed,) = index.expressions
        given = index.dialect_options["postgresql"]
        text, operator_class = _split(expression_text(indexed))
        is_column = isinstance(indexed, sa.Column) or _PLAIN_NAME.fullmatch(text)
        where = given["where"]
        return cls(
            name=name,
            table=index.table.name,
            column=(indexed.name if isinstance(indexed, sa.Column) else text) if is_column else None,
            expression=None if is_column else text,
            operator_class=given["ops"].get(getattr(indexed, "key", None)) or operator_class,
            method=str(given["using"]).lower(),
            options={option: int(value) for option, value in given["with"].items()},
            where=None if where is None else expression_text(where),
            schema=index.table.schema,
            tablespace=given["tablespace"],
        )

    @classmethod
    def from_catalog(cls, index: CatalogIndex, schema: str | None) -> IndexDefinition:
        """Return the definition of an index that exists; ``schema`` is how the migration names that of its table."""
        return cls(
            name=index.name,
            table=index.table,
            column=index.column,
            expression=index.expression,
            operator_class=index.operator_class,
            method=index.method.value,
            options=dict(index.options),
            where=index.predicate,
            schema=schema,
            tablespace=index.tablespace,
        )

    def to_index(self, *, concurrently: bool = False) -> sa.Index:
        """Return the index on a table that has nothing else."""
        columns = []
        if self.expression is not None:
            # Only with parentheses does Postgres take any expression.
            indexed: sa.ColumnElement[Any] = Grouping(sa.literal_column(self.expression)).label(_KEY)
        else:
            assert self.column is not None, "one of the two was given"
            indexed = sa.Column(self.column, sa.types.NullType(), key=_KEY)
            columns.append(indexed)
        index = sa.Index(
            conv(self.name),
            indexed,
            postgresql_using=self.method,
            postgresql_ops={} if self.operator_class is None else {_KEY: self.operator_class},
            postgresql_with=dict(self.options),
            postgresql_where=None if self.where is None else sa.literal_column(self.where),
            postgresql_tablespace=self.tablespace,
            postgresql_concurrently=concurrently,
        )
        sa.Table(self.table, sa.MetaData(), *columns, index, schema=self.schema)
        return index


def is_vector_index(index: sa.Index) -> bool:
    """Tell whether an index of a model is one of pgvector's."""
    using = index.dialect_options["postgresql"]["using"]
    return str(using or "").lower() in set(IndexMethod) and len(index.expressions) == 1


def expression_text(expression: Any) -> str:
    """Return an expression of an index as SQL that can stand in a migration or a model."""
    if isinstance(expression, str):
        return expression
    options = {"literal_binds": True, "include_table": False}
    return str(expression.compile(dialect=_DIALECT, compile_kwargs=options))


def _split(text: str) -> tuple[str, str | None]:
    """Take off the operator class that an expression of plain text may end with."""
    parts = _WITH_OPERATOR_CLASS.fullmatch(text)
    return (text, None) if parts is None else (parts[1], parts[2])
