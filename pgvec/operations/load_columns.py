"""Which columns a load writes: what rows give, and what the mapping adds to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper
from sqlalchemy.types import TypeDecorator

from pgvec.errors import InvalidOptionError, InvalidRowError, MappingError, MappingMismatchError
from pgvec.model import Distance, Target, VectorColumn
from pgvec.operations.text_values import parser_for
from pgvec.orm.reading import read_columns
from pgvec.statements.load_requests import TEXT, LoadColumn, RowForm, ServerColumn, ServerTable

__all__ = ["Attributes", "LoadColumns", "choose_columns"]


# interval and timetz have no text form that Python reads.
_READ_BY_SERVER = frozenset({1186, 1266})


class Attributes:
    """The attributes of a target that are columns of its one table.

    Attributes:
        table: The table.
        columns: Its columns by the names that rows use.
    """

    def __init__(self, target: Target) -> None:
        entity = target.entity
        if isinstance(entity, sa.Table):
            self.table = entity
            self.columns: dict[str, sa.Column[Any]] = {column.key: column for column in entity.c}
            self._constants: dict[str, Any] = {}
            return
        mapper: Mapper[Any] = sa.inspect(entity)
        if not isinstance(mapper.local_table, sa.Table) or len(mapper.tables) != 1:
            raise MappingError(
                f"{target.name} is stored in {len(mapper.tables)} tables, and a bulk load writes to one: load each table by itself"
            )
        self.table = mapper.local_table
        self.columns = {
            attribute.key: column
            for attribute in mapper.column_attrs
            if isinstance(column := attribute.columns[0], sa.Column) and column.table is self.table
        }
        self._constants = _discriminator(mapper, self.columns)

    def name_of(self, given: object) -> str | None:
        """Return the attribute that ``given`` names: by its own name, by the column's, or as an attribute of the model."""
        name = given if isinstance(given, str) else getattr(given, "key", None)
        if name in self.columns:
            return str(name)
        return next((key for key, column in self.columns.items() if column.name == name), None)

    def required(self, given: object, what: str) -> str:
        """Return the attribute that an argument names.

        Raises:
            InvalidOptionError: There is none.
        """
        name = self.name_of(given)
        if name is None:
            raise InvalidOptionError(f"{what} names {given!r}, which is not a column: {_choices(given, self.columns)}")
        return name

    def added(self, given: Sequence[str]) -> Iterator[tuple[str, Callable[[Mapping[str, Any]], Any]]]:
        """Yield what the mapping fills in on the client where rows do not give it, and how."""
        for name, column in self.columns.items():
            if name in given:
                continue
            if name in self._constants:
                yield name, _constant(self._constants[name])
            elif column.default is not None and column.default.is_scalar:
                yield name, _constant(column.default.arg)  # type: ignore[attr-defined]
            elif column.default is not None and column.default.is_callable:
                yield name, _called(column.default.arg)  # type: ignore[attr-defined]

    def left_to_sql(self, given: Sequence[str]) -> bool:
        """Whether a column has a default that only an INSERT statement evaluates (``default=func.now()``, a sequence)."""
        return any(
            column.default is not None and (column.default.is_clause_element or column.default.is_sequence)
            for name, column in self.columns.items()
            if name not in given
        )


@dataclass(frozen=True, slots=True)
class LoadColumns:
    """What a load writes.

    Attributes:
        columns: The columns, those that rows give first.
        needs_insert: Whether an INSERT statement has to finish the rows: COPY alone cannot.
    """

    columns: tuple[LoadColumn, ...]
    needs_insert: bool


def choose_columns(
    target: Target,
    attributes: Attributes,
    names: Sequence[str],
    server: ServerTable,
    *,
    dialect: sa.Dialect,
    form: RowForm,
) -> LoadColumns:
    """Decide what to write for rows that have ``names``.

    Args:
        target: Where to.
        attributes: Its attributes.
        names: What rows call their values.
        server: The table as the server has it.
        dialect: Dialect of the connection, for SQLAlchemy's own conversions.
        form: How values are given.

    Raises:
        InvalidRowError: A name is no column, is given twice, or is computed by the server.
        MappingMismatchError: The server does not have a column of the mapping.
    """
    given = [_attribute(attributes, name) for name in names]
    twice = next((name for name in given if given.count(name) > 1), None)
    if twice is not None:
        raise InvalidRowError(f"Row 1 gives {twice!r} twice, by attribute and by column name", position=1)
    makers: list[tuple[str, str, Any]] = [(name, key, None) for name, key in zip(names, given, strict=True)]
    makers += [(name, name, default) for name, default in attributes.added(given)]
    distances = {vector.attribute: vector.distance for vector in read_columns(target.entity)}
    distances[target.column.attribute] = target.column.distance or target.distance
    columns = []
    for name, attribute, default in makers:
        column = attributes.columns[attribute]
        on_server = server.columns.get(column.name)
        if on_server is None:
            raise MappingMismatchError(
                f"{target.name} has no column {column.name!r} in the database, but the mapping has: run the migrations"
            )
        if on_server.generated:
            raise InvalidRowError(f"Row 1 gives {name!r}, which the server computes: leave it out", position=1)
        bind = _binder(column, dialect, on_server)
        distance = distances.get(attribute)
        columns.append(_load_column(name, on_server, form, distance=distance, default=default, bind=bind))
    needs_insert = any(column.as_text for column in columns) or attributes.left_to_sql(given)
    return LoadColumns(tuple(columns), needs_insert)


def _attribute(attributes: Attributes, name: str) -> str:
    attribute = attributes.name_of(name)
    if attribute is None:
        raise InvalidRowError(
            f"Row 1 has {name!r}, which is not a column: {_choices(name, attributes.columns)}", position=1, key=name
        )
    return attribute


def _choices(given: object, columns: Mapping[str, object]) -> str:
    close = get_close_matches(str(given), columns, n=1)
    return f"did you mean {close[0]!r}?" if close else f"the columns are {', '.join(columns)}"


def _load_column(
    name: str,
    server: ServerColumn,
    form: RowForm,
    *,
    distance: Distance | None,
    default: Callable[[Mapping[str, Any]], Any] | None,
    bind: Callable[[Any], Any] | None,
) -> LoadColumn:
    parse = parser_for(server.type, form)
    only_server_reads = form is not RowForm.PYTHON and server.type.oid in _READ_BY_SERVER
    as_text = (server.type_schema, server.type_name) if only_server_reads or not server.type.binary else None
    if as_text is not None and form is not RowForm.PYTHON:
        parse = _text_or_null
    return LoadColumn(
        attribute=name,
        name=server.name,
        type=TEXT if as_text else server.type,
        vector=_vector_column(name, server) if as_text is None else None,
        distance=distance,
        as_text=as_text,
        default=default,
        parse=parse,
        bind=bind,
    )


def _vector_column(attribute: str, server: ServerColumn) -> VectorColumn | None:
    kind = server.type.vector
    if kind is None:
        return None
    # The server's word on dimensions counts. For ``bit varying`` the modifier is only the most that fits.
    fixed = server.modifier > 0 and server.type.name != "varbit"
    return VectorColumn(attribute, server.name, kind, server.modifier if fixed else None)


def _binder(column: sa.Column[Any], dialect: sa.Dialect, server: ServerColumn) -> Callable[[Any], Any] | None:
    kind = column.type
    if server.type.vector is None:
        return kind.dialect_impl(dialect).bind_processor(dialect)
    # The processors of vector types write text, which a binary load has no use for; what an application put on top counts.
    if isinstance(kind, TypeDecorator) and _overrides(type(kind)):
        return lambda value: kind.process_bind_param(value, dialect)
    return None


def _overrides(kind: type[TypeDecorator[Any]]) -> bool:
    owner = next(parent for parent in kind.__mro__ if "process_bind_param" in vars(parent))
    return owner is not TypeDecorator


def _discriminator(mapper: Mapper[Any], columns: Mapping[str, sa.Column[Any]]) -> dict[str, Any]:
    """What the ORM writes for a class of a single-table hierarchy."""
    if mapper.polymorphic_on is None or mapper.polymorphic_identity is None:
        return {}
    return {name: mapper.polymorphic_identity for name, column in columns.items() if column is mapper.polymorphic_on}


def _text_or_null(text: str) -> str | None:
    return text or None


def _constant(value: Any) -> Callable[[Mapping[str, Any]], Any]:
    return lambda _row: value


def _called(function: Callable[[Any], Any]) -> Callable[[Mapping[str, Any]], Any]:
    return lambda row: function(_DefaultContext(row))


class _DefaultContext:
    """What SQLAlchemy passes to a function that makes a default."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.current_parameters = dict(row)

    def get_current_parameters(self, isolate_multiinsert_params: bool = True) -> dict[str, Any]:  # noqa: ARG002
        return self.current_parameters
