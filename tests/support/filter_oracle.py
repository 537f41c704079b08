"""What a filter means, written a second time in plain Python: from ``docs/filters.md``, not from pgvec's code.

A filter becomes a function of a row, because each is asked of some hundred rows.
"""

from __future__ import annotations

import enum
import math
import operator
import re
import struct
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cmp_to_key, partial
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from support.filter_table import ARRAYS, VALUES, Mood

Test = Callable[[Mapping[str, Any]], bool]
MISSING = object()
_ATTRIBUTES = {"quantity": "number", "metadata": "metadata_"}
_ORDER = {"$lt": operator.lt, "$lte": operator.le, "$gt": operator.gt, "$gte": operator.ge}


def meaning(source: Mapping[str, Any]) -> Test:
    """Return the function that tells whether a row matches a filter of the JSON language."""
    return _every([_entry(key, value) for key, value in source.items()])


def _every(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)


def _some(tests: list[Test]) -> Test:
    return lambda row: any(test(row) for test in tests)


def _complement(test: Test) -> Test:
    return lambda row: not test(row)


def _entry(key: str, value: Any) -> Test:
    match key:
        case "$and":
            return _every([meaning(part) for part in value])
        case "$or":
            return _some([meaning(part) for part in value])
        case "$not":
            return _complement(meaning(value))
        case _:
            return _field(key, value if isinstance(value, Mapping) else {"$eq": value})


def _field(key: str, operators: Mapping[str, Any]) -> Test:
    return _every(
        [
            _complement(_field(key, operand)) if name == "$not" else _comparison(key, name, operand)
            for name, operand in operators.items()
        ]
    )


def _comparison(key: str, name: str, operand: Any) -> Test:
    if name in {"$ne", "$nin"}:
        return _complement(_comparison(key, {"$ne": "$eq", "$nin": "$in"}[name], operand))
    column, *path = (part.replace("\0", ".") for part in key.replace("\\.", "\0").split("."))
    column = _ATTRIBUTES.get(column, column)
    if column == "metadata_":
        holds = _on_json(name, operand)
        return lambda row: holds(_at(row[column], path))
    holds = (_on_array if column in ARRAYS else _on_scalar)(column, name, operand)
    if name == "$exists" or (name == "$eq" and operand is None):
        return lambda row: holds(row[column])
    return lambda row: row[column] is not None and holds(row[column])


# Typed columns


def _reader(column: str) -> Callable[[Any], Any]:
    """Return what turns a value of a filter into the values of a column."""
    if column in {"small", "number", "big", "id", "numbers", "amount", "amounts"}:
        return lambda value: Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if column in {"single", "singles"}:
        return _single
    if column in {"mood", "moods"}:
        return lambda value: value if isinstance(value, Mood) else Mood[value]
    example = VALUES[column][0]
    if isinstance(example, float):
        return float
    for type_, read in (
        (datetime, datetime.fromisoformat),
        (date, date.fromisoformat),
        (time, time.fromisoformat),
        (UUID, UUID),
    ):
        if isinstance(example, type_):
            return lambda value, read=read: read(value) if isinstance(value, str) else value
    return lambda value: value.value if isinstance(value, enum.Enum) else value


def _single(value: Any) -> float:
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return float(value)


def _ordered(left: Any, right: Any) -> int:
    """Compare as Postgres does: NaN is the largest number, and equals itself."""
    if isinstance(left, float | Decimal) and math.isnan(left):
        return 0 if isinstance(right, float | Decimal) and math.isnan(right) else 1
    if isinstance(right, float | Decimal) and math.isnan(right):
        return -1
    return (left > right) - (left < right)


_key = cmp_to_key(_ordered)


def _on_scalar(column: str, name: str, operand: Any) -> Callable[[Any], bool]:  # noqa: PLR0911 - an operator each
    match name:
        case "$exists":
            return lambda value: (value is not None) == operand
        case "$eq" if operand is None:
            return lambda value: value is None
        case "$like" | "$ilike":
            return partial(_like, _pattern(operand, fold=name == "$ilike"))
    read = _reader(column)
    match name:
        case "$eq":
            other = read(operand)
            return lambda value: _ordered(value, other) == 0 if _is_ordered(other) else value == other
        case "$in":
            others = [read(item) for item in operand]
            return lambda value: any(value == other for other in others)
        case "$between":
            low, high = map(read, operand)
            return lambda value: _ordered(value, low) >= 0 and _ordered(value, high) <= 0
        case _:
            compare, other = _ORDER[name], read(operand)
            return lambda value: compare(_ordered(value, other), 0)


def _is_ordered(value: Any) -> bool:
    return not isinstance(value, enum.Enum | bool | str | UUID | timedelta)


def _on_array(column: str, name: str, operand: Any) -> Callable[[Any], bool]:
    if name == "$exists":
        return lambda value: (value is not None) == operand
    if operand is None:
        return lambda value: value is None
    read = _reader(column)
    others = [read(item) for item in (operand if isinstance(operand, list | tuple) else [operand])]
    match name:
        case "$eq":
            return lambda value: value == others
        case "$contains":
            return lambda value: all(other in value for other in others)
        case _:
            return lambda value: any(other in value for other in others)


def _pattern(pattern: str, *, fold: bool) -> tuple[re.Pattern[str], bool]:
    """Return a pattern of LIKE as a regular expression; only ASCII letters have two cases in the data."""
    parts = []
    characters = iter(pattern.lower() if fold else pattern)
    for character in characters:
        if character == "\\":
            parts.append(re.escape(next(characters)))
        else:
            parts.append({"%": ".*", "_": "."}.get(character) or re.escape(character))
    return re.compile("".join(parts), re.DOTALL), fold


def _like(pattern: tuple[re.Pattern[str], bool], value: str) -> bool:
    expression, fold = pattern
    return expression.fullmatch(value.lower() if fold else value) is not None


# JSON


def _at(value: Any, path: list[str]) -> Any:
    """Follow a path: keys of objects, positions in arrays."""
    if value is None:
        return MISSING
    if value is JSONB.NULL:
        value = None
    for key in path:
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and re.fullmatch(r"-?\d+", key) and -len(value) <= int(key) < len(value):
            value = value[int(key)]
        else:
            return MISSING
    return value


def _canonical(value: Any) -> Any:
    """Return a JSON value such that equal values, and no others, are equal in Python."""
    if isinstance(value, dict):
        return ("object", frozenset((key, _canonical(part)) for key, part in value.items()))
    if isinstance(value, list | tuple):
        return ("array", tuple(map(_canonical, value)))
    if isinstance(value, float):
        return ("number", Decimal(repr(value)))
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return ("number", Decimal(value))
    return (type(value).__name__, value)


def _contains(left: Any, right: Any) -> bool:
    """Containment as Postgres' ``@>`` has it below the root."""
    if isinstance(right, dict):
        return isinstance(left, dict) and all(
            key in left and _contains_value(left[key], part) for key, part in right.items()
        )
    return isinstance(left, list) and all(any(_contains_value(own, part) for own in left) for part in right)


def _contains_value(left: Any, right: Any) -> bool:
    if isinstance(right, dict | list | tuple):
        return _contains(left, right)
    return _canonical(left) == _canonical(right)


def _on_json(name: str, operand: Any) -> Callable[[Any], bool]:  # noqa: PLR0911 - an operator each
    match name:
        case "$exists":
            return lambda value: (value is not MISSING) == operand
        case "$eq" if operand is None:
            return lambda value: value is MISSING or value is None
        case "$eq":
            other = _canonical(operand)
            return lambda value: _canonical(value) == other
        case "$in":
            others = {_canonical(item) for item in operand}
            return lambda value: _canonical(value) in others
        case "$contains":
            part = operand if isinstance(operand, dict | list) else [operand]
            return lambda value: _contains(value, part)
        case "$overlaps":
            return lambda value: isinstance(value, list) and any(_contains(value, [item]) for item in operand)
        case "$like" | "$ilike":
            pattern = _pattern(operand, fold=name == "$ilike")
            return lambda value: isinstance(value, str) and _like(pattern, value)
        case "$between":
            low, high = (
                _json_order(_ORDER[name], bound) for name, bound in zip(("$gte", "$lte"), operand, strict=True)
            )
            return lambda value: low(value) and high(value)
        case _:
            return _json_order(_ORDER[name], operand)


def _json_order(compare: Callable[[Any, Any], bool], operand: Any) -> Callable[[Any], bool]:
    kind, other = _canonical(operand)

    def holds(value: Any) -> bool:
        own_kind, own = _canonical(value)
        return own_kind == kind and compare(own, other)

    return holds
