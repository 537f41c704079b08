"""Reads the values of a filter into what the columns of one kind are compared with.

A reader raises ``TypeError`` or ``ValueError`` for a value that such columns never hold, and ``InvalidFilterError`` where there
is more to say.
"""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TypeVar
from uuid import UUID

from pgvec.errors import InvalidFilterError
from pgvec.model.filter_operands import is_number, read_value, shown

__all__ = [
    "fits_single",
    "read_aware",
    "read_bool",
    "read_date",
    "read_decimal",
    "read_double",
    "read_duration",
    "read_exact",
    "read_naive",
    "read_single",
    "read_text",
    "read_time",
    "read_uuid",
    "without_enum",
]

T = TypeVar("T")
_SINGLE = struct.Struct("<f")  # the native format would make infinity of what is too large


def without_enum(value: object) -> object:
    """Return what a member of an enum stands for, and anything else as it is."""
    return read_value(value.value) if isinstance(value, Enum) else value


def read_bool(value: object) -> bool:
    """Read true or false."""
    return _instance(value, bool)


def read_text(value: object) -> str:
    """Read a text."""
    return _instance(value, str)


def read_exact(value: object) -> int | Decimal:
    """Read a number as it is written: a float stands for its shortest decimal form."""
    number = without_enum(value)
    if not is_number(number):
        raise TypeError
    return Decimal(repr(number)) if isinstance(number, float) else number  # type: ignore[return-value]


def read_decimal(value: object) -> Decimal:
    """Read a decimal number."""
    return Decimal(read_exact(value))


def read_double(value: object) -> float:
    """Read a double-precision number."""
    return float(read_exact(value))


def read_single(value: object) -> float:
    """Round as the column does, so that a stored 0.1 equals 0.1; what is too large to be rounded stays as it is."""
    number = read_double(value)
    return float(_SINGLE.unpack(_SINGLE.pack(number))[0]) if fits_single(number) else number


def fits_single(value: float) -> bool:
    """Return whether a number is within the range of single precision."""
    try:
        _SINGLE.pack(value)
    except OverflowError:
        return False
    return True


def read_date(value: object) -> date:
    """Read a date, or its ISO 8601 form."""
    day = without_enum(value)
    if isinstance(day, str):
        return date.fromisoformat(day)
    if isinstance(day, datetime):
        raise TypeError
    return _instance(day, date)


def read_naive(value: object) -> datetime:
    """Read a local time: for a column without time zone."""
    moment = _read_datetime(value)
    if moment.utcoffset() is not None:
        raise InvalidFilterError(
            f"the column has no time zone, but {shown(value)} has an offset: give the local time that the column means"
        )
    return moment


def read_aware(value: object) -> datetime:
    """Read a point in time: for a column with time zone."""
    moment = _read_datetime(value)
    if moment.utcoffset() is None:
        raise InvalidFilterError(
            f"the column has a time zone, but {shown(value)} has no offset, so that the server's setting would decide which "
            "moment it is: add one, such as +00:00"
        )
    return moment.astimezone(UTC)


def read_time(value: object) -> time:
    """Read a time of day without time zone."""
    plain = without_enum(value)
    moment = time.fromisoformat(plain) if isinstance(plain, str) else _instance(plain, time)
    if moment.tzinfo is not None:
        raise TypeError
    return moment


def read_duration(value: object) -> timedelta:
    """Read a duration."""
    return _instance(value, timedelta)


def read_uuid(value: object) -> UUID:
    """Read a UUID, or a text form of one."""
    plain = without_enum(value)
    return UUID(plain) if isinstance(plain, str) else _instance(plain, UUID)


def _read_datetime(value: object) -> datetime:
    moment = without_enum(value)
    if isinstance(moment, str):
        return datetime.fromisoformat(moment)
    if isinstance(moment, datetime):
        return moment
    return datetime.combine(_instance(moment, date), time())


def _instance(value: object, class_: type[T]) -> T:
    plain = without_enum(value)
    if not isinstance(plain, class_):
        raise TypeError
    return plain
