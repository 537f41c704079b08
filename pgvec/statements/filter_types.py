"""What the columns of a filter can be compared with: one kind for each family of Postgres types."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from pgvec.errors import InvalidFilterError
from pgvec.model.filter_operands import shown
from pgvec.statements.filter_values import (
    fits_single,
    read_aware,
    read_bool,
    read_date,
    read_decimal,
    read_double,
    read_duration,
    read_exact,
    read_naive,
    read_single,
    read_text,
    read_time,
    read_uuid,
    without_enum,
)

__all__ = ["UNFIT", "IntegerKind", "Kind", "kind_of", "postgres_type"]

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_SINGLE_DIGITS = 24
UNFIT = object()
"""Stands for a value that no column of the kind can hold."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of column types, and the values that it is compared with.

    Attributes:
        name: What the columns hold, for messages.
        type: Type that values are bound as; wide enough for every column of the kind.
        item_type: Type of an element, where the column is an array; exactly the column's.
        read: Returns a value of the filter as it is bound; raises where such columns never hold it.
        ordered: Whether there is a smaller and a larger.
        text: Whether patterns apply.
    """

    name: str
    type: TypeEngine[Any]
    item_type: TypeEngine[Any]
    read: Callable[[object], Any]
    ordered: bool = True
    text: bool = False

    def value(self, value: object) -> Any:
        """Return a value of the filter in the type that is compared.

        Raises:
            InvalidFilterError: If a column of this kind never holds such values.
        """
        try:
            return self.read(value)
        except InvalidFilterError:
            raise
        except (TypeError, ValueError, OverflowError) as exc:
            raise InvalidFilterError(f"the column holds {self.name}, which {shown(value)} is not") from exc

    def item(self, value: object) -> Any:
        """Return a value as the element of an array, or ``UNFIT``."""
        return self.value(value)

    def bound(self, value: Any) -> sa.ColumnElement[Any]:
        """Return a read value as a parameter."""
        return sa.literal(value, self.type)

    def bound_list(self, values: list[Any]) -> sa.ColumnElement[Any]:
        """Return read values as one parameter: the text of the statement does not depend on their number."""
        return sa.literal(values, postgresql.ARRAY(self.type))

    def bound_array(self, items: list[Any]) -> sa.ColumnElement[Any]:
        """Return read elements as an array of the column's own type."""
        return sa.literal(items, postgresql.ARRAY(self.item_type))


@dataclass(frozen=True, slots=True)
class _NativeEnumKind(Kind):
    """Labels of a Postgres enum: bound as texts and cast, whatever the mapping turns members into."""

    def bound(self, value: Any) -> sa.ColumnElement[Any]:
        return sa.cast(sa.literal(value, sa.Text()), self.type)

    def bound_list(self, values: list[Any]) -> sa.ColumnElement[Any]:
        return sa.cast(sa.literal(values, postgresql.ARRAY(sa.Text())), postgresql.ARRAY(self.type))

    def bound_array(self, items: list[Any]) -> sa.ColumnElement[Any]:
        return self.bound_list(items)


@dataclass(frozen=True, slots=True)
class IntegerKind(Kind):
    """Whole numbers; ``bits`` is their width as elements of an array."""

    bits: int = 64

    def item(self, value: object) -> Any:
        """Return a value as the element of an array, or ``UNFIT``."""
        number = self.value(value)
        limit = 2 ** (self.bits - 1)
        return int(number) if number == math.floor(number) and -limit <= number < limit else UNFIT


@dataclass(frozen=True, slots=True)
class _SingleKind(Kind):
    """Single-precision numbers."""

    def item(self, value: object) -> Any:
        number = self.value(value)
        return number if fits_single(number) else UNFIT


def postgres_type(type_: TypeEngine[Any]) -> TypeEngine[Any] | None:
    """Return what a type is on Postgres, or None where it changes values on their way to the database."""
    # The public way to resolve with_variant() makes a Float of REAL and a String of TEXT.
    plain: TypeEngine[Any] = type_._variant_mapping.get(_DIALECT.name, type_)  # noqa: SLF001
    if isinstance(plain, sa.Interval):
        return postgresql.INTERVAL()
    if not isinstance(plain, sa.TypeDecorator):
        return plain
    changed = any(
        getattr(type(plain), hook) is not getattr(sa.TypeDecorator, hook)
        for hook in ("process_bind_param", "bind_processor")
    )
    return None if changed else postgres_type(plain.load_dialect_impl(_DIALECT))


def kind_of(type_: TypeEngine[Any], column_type: TypeEngine[Any]) -> Kind | None:
    """Return the kind of a scalar type as ``postgres_type`` gives it, or None where only presence can be asked for.

    Args:
        type_: The type on Postgres.
        column_type: The type as the mapping has it.
    """
    if isinstance(type_, sa.Enum):
        return _enum_kind(type_, column_type)
    for class_, make in _KINDS:
        if isinstance(type_, class_):
            return make(type_)
    return None


def _integer_kind(type_: TypeEngine[Any]) -> Kind:
    widths: dict[type[sa.Integer], int] = {sa.SmallInteger: 16, sa.BigInteger: 64}
    plain, bits = next(((plain, bits) for plain, bits in widths.items() if isinstance(type_, plain)), (sa.Integer, 32))
    return IntegerKind("whole numbers", sa.BigInteger(), plain(), read_exact, bits=bits)


def _float_kind(type_: TypeEngine[Any]) -> Kind:
    assert isinstance(type_, sa.Float)
    single = isinstance(type_, sa.REAL) or (type_.precision is not None and type_.precision <= _SINGLE_DIGITS)
    if single:
        return _SingleKind("numbers", sa.Double(), sa.REAL(), read_single)
    return Kind("numbers", sa.Double(), sa.Double(), read_double)


def _text_kind(type_: TypeEngine[Any]) -> Kind:
    if isinstance(type_, postgresql.CITEXT):
        return Kind("texts", postgresql.CITEXT(), postgresql.CITEXT(), read_text, text=True)
    item: TypeEngine[Any] = sa.Text() if isinstance(type_, sa.Text) else sa.VARCHAR()
    return Kind("texts", sa.Text(), item, read_text, text=True)


def _datetime_kind(type_: TypeEngine[Any]) -> Kind:
    assert isinstance(type_, sa.DateTime)
    plain = sa.DateTime(timezone=type_.timezone)
    if type_.timezone:
        return Kind("points in time (ISO 8601)", plain, plain, read_aware)
    return Kind("local times (ISO 8601)", plain, plain, read_naive)


def _time_kind(type_: TypeEngine[Any]) -> Kind | None:
    assert isinstance(type_, sa.Time)
    return None if type_.timezone else Kind("times of day (ISO 8601)", sa.Time(), sa.Time(), read_time)


def _enum_kind(type_: sa.Enum, column_type: TypeEngine[Any]) -> Kind:
    labels = list(type_.enums)
    members = type_.enum_class
    stored = {} if members is None else dict(zip(_member_names(type_), labels, strict=False))

    def read(value: object) -> str:
        label = stored[value.name] if members is not None and isinstance(value, members) else without_enum(value)
        if label not in labels:
            raise InvalidFilterError(f"the column holds one of {', '.join(map(repr, labels))}, not {shown(value)}")
        return str(label)

    if type_.native_enum:
        return _NativeEnumKind("labels", column_type, column_type, read, ordered=False)
    return Kind("labels", sa.Text(), sa.VARCHAR(), read, ordered=False)


def _member_names(type_: sa.Enum) -> list[str]:
    """Return the names of the members in the order of the labels: SQLAlchemy makes one for each, aliases mostly left out."""
    assert type_.enum_class is not None
    members = type_.enum_class.__members__
    return list(members) if len(members) == len(type_.enums) else [member.name for member in type_.enum_class]


def _simple(
    name: str, type_: TypeEngine[Any], read: Callable[[object], Any], *, ordered: bool = True
) -> Callable[[Any], Kind]:
    return lambda _: Kind(name, type_, type_, read, ordered=ordered)


# From the special to the general: a Float is also a Numeric, an Enum also a String.
_KINDS: tuple[tuple[type, Callable[[Any], Kind | None]], ...] = (
    (sa.Boolean, _simple("true and false", sa.Boolean(), read_bool, ordered=False)),
    (sa.Integer, _integer_kind),
    (sa.Float, _float_kind),
    (sa.Numeric, _simple("numbers", sa.Numeric(), read_decimal)),
    (sa.DateTime, _datetime_kind),
    (sa.Date, _simple("dates (ISO 8601)", sa.Date(), read_date)),
    (sa.Time, _time_kind),
    (postgresql.INTERVAL, _simple("durations (timedelta)", postgresql.INTERVAL(), read_duration)),
    (sa.Uuid, _simple("UUIDs", sa.Uuid(), read_uuid)),
    (sa.String, _text_kind),
)
