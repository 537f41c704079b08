"""Keyword indexes (BM25) for ``__table_args__`` and tables."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped
from sqlalchemy.schema import ExecutableDDLElement, SchemaItem
from sqlalchemy.sql.compiler import DDLCompiler

from pgvec.errors import InvalidOptionError, MappingError, MigrationPendingError

__all__ = ["CreateKeywordIndex", "DropKeywordIndex", "KeywordIndex", "keyword_indexes"]

_TextColumn: TypeAlias = str | sa.Column[Any] | Mapped[Any]

_INFO = "pgvec_keyword_indexes"
_MOST_WEIGHTS = 4
_LONGEST_NAME = 63
# No such function, no such schema: the migrations have not been run.
_PENDING = frozenset({"42883", "3F000"})

_PART = r'(?:[^\W\d][\w$]*|"(?:[^"]|"")+")'
_CONFIGURATION = re.compile(rf"{_PART}(?:\.{_PART})?")


class KeywordIndex(SchemaItem):
    """A keyword index: the words of text columns, for search by BM25, current in the transaction of every write.

    It is created and dropped with its table by ``metadata.create_all`` and ``drop_all``; a migration calls the functions
    ``pgvec.create_keyword_index`` and ``pgvec.drop_keyword_index``.

    Args:
        columns: The columns of texts: names in the table, columns, or attributes.
        weights: How much a word counts in each column, from 0.001 to 1,000; 1 for all by default. At most four differ.
        config: Text search configuration of Postgres: language, stemming and stop words.
        name: Name of the index, unique for its table.
        k1: BM25's k1, greater than 0: how soon further occurrences of a word stop to count.
        b: BM25's b, from 0 to 1: how much long documents are held back.

    Raises:
        InvalidOptionError: An option is out of its range.
        MappingError: The table has no such column.
    """

    __visit_name__ = "pgvec_keyword_index"

    def __init__(
        self,
        *columns: _TextColumn,
        weights: Sequence[float] | None = None,
        config: str = "english",
        name: str = "keywords",
        k1: float = 1.2,
        b: float = 0.75,
    ) -> None:
        self.given = columns
        self.columns: tuple[str, ...] = ()
        self.weights = _weights(weights, len(columns))
        self.config = _configuration(config)
        self.name = _text(name, "name")
        self.k1 = _number(k1, "k1", 0.0, 1_000.0)
        self.b = _number(b, "b", 0.0, 1.0)
        if self.k1 == 0:
            raise InvalidOptionError("k1 has to be greater than 0")
        if not columns:
            raise InvalidOptionError("KeywordIndex() names no column: name at least one column of texts")

    def _set_parent(self, parent: Any, **_kw: Any) -> None:
        names = []
        for given in self.given:
            key = given if isinstance(given, str) else getattr(given, "key", None)
            column = parent.c.get(key) if key is not None else None
            if column is None:
                raise MappingError(
                    f"KeywordIndex({str(given)!r:.60}): the table {parent.fullname!r} has no such column, only "
                    f"{', '.join(parent.c.keys())}"
                )
            names.append(column.name)
        self.columns = tuple(names)
        parent.info.setdefault(_INFO, []).append(self)


def keyword_indexes(table: sa.Table) -> tuple[KeywordIndex, ...]:
    """Return the keyword indexes that a table declares."""
    return tuple(table.info.get(_INFO, ()))


class _KeywordIndexDDL(ExecutableDDLElement):
    """A call of one of the functions of the schema ``pgvec``."""

    def __init__(self, table: sa.Table, index: KeywordIndex) -> None:
        self.table = table
        self.index = index


class CreateKeywordIndex(_KeywordIndexDDL):
    """``SELECT pgvec.create_keyword_index(...)``."""


class DropKeywordIndex(_KeywordIndexDDL):
    """``SELECT pgvec.drop_keyword_index(...)``, where there is such a function and such an index."""


@compiles(CreateKeywordIndex, "postgresql")
def _compile_create(element: CreateKeywordIndex, compiler: DDLCompiler, **_kw: Any) -> str:
    index = element.index
    columns = ", ".join(_quoted(compiler, name) for name in index.columns)
    weights = ", ".join(f"{weight:g}" for weight in index.weights)
    return (
        f"SELECT pgvec.create_keyword_index({_relation(element, compiler)}, ARRAY[{columns}]::text[], "
        f"ARRAY[{weights}]::numeric[], {_quoted(compiler, index.config)}, {_quoted(compiler, index.name)}, "
        f"{index.k1!r}, {index.b!r})"
    )


@compiles(DropKeywordIndex, "postgresql")
def _compile_drop(element: DropKeywordIndex, compiler: DDLCompiler, **_kw: Any) -> str:
    # The table may be dropped where the schema pgvec was never made.
    body = (
        "BEGIN IF pg_catalog.to_regprocedure('pgvec.drop_keyword_index(regclass,text,boolean)') IS NOT NULL THEN "
        f"PERFORM pgvec.drop_keyword_index({_relation(element, compiler)}, {_quoted(compiler, element.index.name)}, true); "
        "END IF; END"
    )
    return "DO '" + body.replace("'", "''") + "'"


def _relation(element: _KeywordIndexDDL, compiler: DDLCompiler) -> str:
    # The name is formatted for SQL already, and quoted once more as a text.
    return "'" + compiler.preparer.format_table(element.table).replace("'", "''") + "'"


def _quoted(compiler: DDLCompiler, text: str) -> str:
    return str(compiler.sql_compiler.render_literal_value(text, sa.String()))


@sa.event.listens_for(sa.Table, "after_create")
def _create(table: sa.Table, connection: sa.Connection, **_kw: Any) -> None:
    for index in keyword_indexes(table):
        try:
            connection.execute(CreateKeywordIndex(table, index))
        except sa.exc.DBAPIError as exc:
            if getattr(exc.orig, "sqlstate", None) in _PENDING:
                raise MigrationPendingError(
                    f"The table {table.fullname} declares a keyword index, and this database lacks the functions for it: run  "
                    "pgvec migrate up"
                ) from exc
            raise


@sa.event.listens_for(sa.Table, "before_drop")
def _drop(table: sa.Table, connection: sa.Connection, **_kw: Any) -> None:
    for index in keyword_indexes(table):
        connection.execute(DropKeywordIndex(table, index))


def _weights(given: object, count: int) -> tuple[float, ...]:
    if given is None:
        return (1.0,) * count
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != count:
        raise InvalidOptionError(f"weights={given!r:.60} has to be one number for each of the {count} columns")
    weights = tuple(_number(weight, "weights", 0.001, 1_000.0) for weight in given)
    if any(weight != round(weight, 3) for weight in weights):
        raise InvalidOptionError(f"weights={given!r:.60}: at most three decimals")
    if len(set(weights)) > _MOST_WEIGHTS:
        raise InvalidOptionError(
            f"weights={given!r:.60}: Postgres tells {_MOST_WEIGHTS} weights apart, give some columns equal ones"
        )
    return weights


def _number(value: object, name: str, least: float, most: float) -> float:
    valid = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not valid or not least <= float(value) <= most:  # type: ignore[arg-type]
        raise InvalidOptionError(f"{name}={value!r:.60} has to be a number from {least:g} to {most:g}")
    return float(value)  # type: ignore[arg-type]


def _configuration(value: object) -> str:
    """Check the name of a configuration, which may name its schema too: Postgres refuses another form in its own words only."""
    name = _text(value, "config")
    if not _CONFIGURATION.fullmatch(name):
        raise InvalidOptionError(
            f"config= is the name of a text search configuration, such as 'english' or 'other_schema.german', not {name!r}"
        )
    return name


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value or len(value.encode(errors="replace")) > _LONGEST_NAME:
        raise InvalidOptionError(f"{name}={value!r:.60} has to be a name of 1 to {_LONGEST_NAME} bytes")
    return value
