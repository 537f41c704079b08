"""Which operands a filter operator takes, as far as that can be told without knowing the column."""

from __future__ import annotations

import itertools
import math
import numbers
import reprlib
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

from pgvec.errors import InvalidFilterError

__all__ = ["MAX_DEPTH", "check_name", "is_number", "read_operand", "read_value", "shown"]

MAX_DEPTH = 32
"""Most levels that a filter, or a JSON value in it, may be nested."""

_MAX_ITEMS = 100_000
_MAX_DIGITS = 1_000
_LARGEST = Decimal(sys.float_info.max)


def shown(value: object) -> str:
    """Return a short text of a value, for messages."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python refuses to write out an int of several thousand digits
        return f"<{type(value).__name__}>"


def is_number(value: object) -> bool:
    """Return whether a value is a number; a bool is none."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def check_name(name: object) -> None:
    """Refuse what cannot be the name of a column or the key of a JSON object."""
    if not isinstance(name, str):
        raise InvalidFilterError(f"a key of a filter is a text, not {shown(name)}")
    if not name:
        raise InvalidFilterError("a key of a filter is empty")
    _check_text(name, "key")


def read_operand(operator: str, value: object, *, key: str) -> object:
    """Check the operand of an operator and return it in plain types.

    Args:
        operator: The operator as the JSON language spells it.
        value: The operand.
        key: What is compared, for messages.

    Raises:
        InvalidFilterError: If the operator does not take such an operand.
    """
    try:
        return _READERS[operator](value)
    except InvalidFilterError as exc:
        raise InvalidFilterError(f"{shown(key)} {operator}: {exc}", key=key, operator=operator) from exc


def read_value(value: object) -> object:
    """Return a JSON value or a scalar in plain types: lists as tuples, numbers as int, float or Decimal."""
    return _read_value(value, 0, itertools.count(1))


def _read_value(value: object, depth: int, counter: Iterator[int]) -> object:
    if depth > MAX_DEPTH:
        raise InvalidFilterError(f"the value is nested deeper than {MAX_DEPTH} levels, or contains itself")
    # Lists that contain one list twice, and so on downwards, are small in memory and endless to walk.
    if next(counter) > _MAX_ITEMS:
        raise InvalidFilterError(f"the value has more than {_MAX_ITEMS:,} parts")
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise InvalidFilterError(f"the keys of a JSON object are texts, not {shown(name)}")
            _check_text(name, "key")
        return {str(name): _read_value(part, depth + 1, counter) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_read_value(part, depth + 1, counter) for part in value)
    return _read_scalar(value)


def _read_scalar(value: object) -> object:
    if isinstance(value, Enum):
        # Members of an enum stay what they are until the column is known; what they stand for is checked all the same.
        _read_scalar(value.value)
        return value
    if value is None or isinstance(value, bool | date | time | timedelta | UUID):
        return value
    if isinstance(value, str):
        _check_text(value, "text")
        return str(value)
    if isinstance(value, Decimal | numbers.Real):
        return _read_number(value)
    raise InvalidFilterError(f"cannot compare with {shown(value)}, a {type(value).__name__}")


def _read_number(value: Decimal | numbers.Real) -> int | float | Decimal:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise InvalidFilterError(f"cannot compare with {value}: give a finite number")
        _, digits, exponent = value.as_tuple()
        if value.copy_abs() > _LARGEST or len(digits) > _MAX_DIGITS or abs(int(exponent)) > _MAX_DIGITS:
            raise InvalidFilterError("the number is beyond the range of double precision")
        return value
    if isinstance(value, numbers.Integral):
        if abs(int(value)) > _LARGEST:
            raise InvalidFilterError("the number is beyond the range of double precision")
        return int(value)
    number = float(value)
    if not math.isfinite(number):
        raise InvalidFilterError(f"cannot compare with {number}: give a finite number")
    return number


def _check_text(value: str, what: str) -> None:
    if "\0" in value:
        raise InvalidFilterError(f"the {what} {shown(value)} contains a NUL character, which Postgres cannot store")
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise InvalidFilterError(f"the {what} {shown(value)} contains half of a surrogate pair, no character") from exc


def _read_present(value: object) -> object:
    if value is None:
        raise InvalidFilterError("null goes only with $eq and $ne")
    return read_value(value)


def _read_ordered(value: object) -> object:
    read = _read_present(value)
    if isinstance(read, bool | Mapping | tuple):
        raise InvalidFilterError(f"an order is defined for numbers, texts and times, not for {shown(value)}")
    return read


def _read_list(value: object) -> tuple[object, ...]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, list | tuple | AbstractSet):
        raise InvalidFilterError(f"needs a list, not {shown(value)}")
    items: Collection[object] = value
    return tuple(_read_present(item) for item in items)


def _read_bounds(value: object) -> tuple[object, ...]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise InvalidFilterError(f"needs a list of two bounds, not {shown(value)}")
    return tuple(_read_ordered(bound) for bound in value)


def _read_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidFilterError(f"needs true or false, not {shown(value)}")
    return value


def _read_contained(value: object) -> object:
    return _read_list(value) if isinstance(value, list | tuple | AbstractSet) else _read_present(value)


def _read_pattern(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidFilterError(f"needs a pattern, not {shown(value)}")
    _check_text(value, "pattern")
    if (len(value) - len(value.rstrip("\\"))) % 2:
        raise InvalidFilterError(f"the pattern {shown(value)} ends with a lone backslash: write two for the character")
    return str(value)


_READERS: dict[str, Callable[[object], object]] = {
    "$eq": read_value,
    "$ne": read_value,
    "$lt": _read_ordered,
    "$lte": _read_ordered,
    "$gt": _read_ordered,
    "$gte": _read_ordered,
    "$in": _read_list,
    "$nin": _read_list,
    "$between": _read_bounds,
    "$exists": _read_bool,
    "$contains": _read_contained,
    "$overlaps": _read_list,
    "$like": _read_pattern,
    "$ilike": _read_pattern,
}
