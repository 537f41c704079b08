"""Conditions on JSONB columns and on the values at paths below them.

Nothing here can fail in the database: JSON values are compared as ``jsonb``, never cast to another type, so that it does not
matter in which order Postgres evaluates a guard and a comparison. Keys and values are parameters.

Where the condition can be said as containment in the whole column (``metadata @> '{"source": "x"}'``), it is, because that is
what a GIN index on the column serves. Containment and equality of scalars agree below a key: an array on the way, or at the
end, is never equal to a scalar there. They would not agree where a key could also be the position in an array; such paths
are followed with ``#>``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from pgvec.errors import InvalidFilterError
from pgvec.model.filter_operands import is_number, shown
from pgvec.model.filters import Operator
from pgvec.statements.filter_fields import Field
from pgvec.statements.filter_values import without_enum

__all__ = ["json_condition"]

_POSITION = re.compile(r"\s*[+-]?\d+")
_COMPARE: dict[Operator, str] = {Operator.LT: "<", Operator.LTE: "<=", Operator.GT: ">", Operator.GTE: ">="}


def json_condition(field: Field, operator: Operator, operand: Any) -> sa.ColumnElement[bool]:
    """Return the condition; it may be NULL where it does not hold.

    Args:
        field: The JSONB column, with the path below it.
        operator: Any operator but the negated ones.
        operand: As the comparison of the filter tree holds it.

    Raises:
        InvalidFilterError: If JSON has no such values.
    """
    return _CONDITIONS[operator](_JsonField(field), operator, operand)


class _JsonField:
    """The parts that conditions on one JSON value are made of."""

    def __init__(self, field: Field) -> None:
        self.column = field.column
        self.path = field.json_path
        self._keys = sa.literal(list(field.json_path), ARRAY(sa.Text()))
        self.is_keys_only = not any(_POSITION.fullmatch(key) for key in field.json_path)

    @property
    def value(self) -> sa.ColumnElement[Any]:
        """The value as ``jsonb``: NULL where the path leads nowhere, JSON null where it leads to one."""
        return self.column.op("#>", return_type=JSONB())(self._keys) if self.path else self.column

    @property
    def text(self) -> sa.ColumnElement[str]:
        """The value as text; a string without its quotes."""
        return self.column.op("#>>", return_type=sa.Text())(self._keys)

    @property
    def is_number(self) -> sa.ColumnElement[bool]:
        """Whether the value is a JSON number."""
        return sa.func.jsonb_typeof(self.value, type_=sa.Text()) == sa.literal_column("'number'")

    @property
    def is_string(self) -> sa.ColumnElement[bool]:
        """Whether the value is a JSON string."""
        return sa.func.jsonb_typeof(self.value, type_=sa.Text()) == sa.literal_column("'string'")

    def contains(self, part: object) -> sa.ColumnElement[bool]:
        """Whether the value contains an array or object, or (below a key) is the scalar."""
        if self.is_keys_only:
            return self.column.bool_op("@>")(_json(self._wrapped(part)))
        return self.value.bool_op("@>")(_json(part))

    def contains_any(self, parts: Sequence[object]) -> sa.ColumnElement[bool]:
        """Whether the value contains one of several arrays or objects."""
        if self.is_keys_only:
            return self.column.bool_op("@>")(sa.any_(_json_list([self._wrapped(part) for part in parts])))
        return self.value.bool_op("@>")(sa.any_(_json_list(parts)))

    def _wrapped(self, part: object) -> object:
        for key in reversed(self.path):
            part = {key: part}
        return part


def _equal(field: _JsonField, _: Operator, operand: object) -> sa.ColumnElement[bool]:
    if operand is None:
        return sa.or_(field.value.is_(None), field.value == _json(None))
    if field.path and field.is_keys_only and not isinstance(operand, Mapping | tuple):
        return field.contains(operand)
    return field.value == _json(operand)


def _ordered(field: _JsonField, operator: Operator, operand: object) -> sa.ColumnElement[bool]:
    operand = without_enum(operand)
    symbol = _COMPARE[operator]
    if is_number(operand):
        return sa.and_(field.is_number, field.value.bool_op(symbol)(_json(operand)))
    if isinstance(operand, str):
        # jsonb orders texts by the collation of the database; "C" is the same everywhere.
        text = sa.collate(field.text, "C")
        return sa.and_(field.is_string, text.bool_op(symbol)(sa.literal(operand, sa.Text())))
    raise _not_json(operand)


def _between(field: _JsonField, _: Operator, operand: Any) -> sa.ColumnElement[bool]:
    low, high = (without_enum(bound) for bound in operand)
    if isinstance(low, str) != isinstance(high, str):
        raise InvalidFilterError(f"the bounds {shown(low)} and {shown(high)} are of different types")
    return sa.and_(_ordered(field, Operator.GTE, low), _ordered(field, Operator.LTE, high))


def _one_of(field: _JsonField, _: Operator, operand: Any) -> sa.ColumnElement[bool]:
    return field.value == sa.any_(_json_list(operand)) if operand else sa.false()


def _exists(field: _JsonField, _: Operator, operand: object) -> sa.ColumnElement[bool]:
    return field.value.is_not(None) if operand else field.value.is_(None)


def _contains(field: _JsonField, _: Operator, operand: object) -> sa.ColumnElement[bool]:
    return field.contains(operand if isinstance(operand, Mapping | tuple) else (operand,))


def _overlaps(field: _JsonField, _: Operator, operand: Any) -> sa.ColumnElement[bool]:
    for item in operand:
        if isinstance(item, Mapping | tuple):
            raise InvalidFilterError(f"needs numbers, texts, true or false in its list, not {shown(item)}")
    return field.contains_any([(item,) for item in operand]) if operand else sa.false()


def _like(field: _JsonField, operator: Operator, operand: Any) -> sa.ColumnElement[bool]:
    pattern = sa.literal(operand, sa.Text())
    matches = field.text.like(pattern) if operator is Operator.LIKE else field.text.ilike(pattern)
    return sa.and_(field.is_string, matches)


_CONDITIONS: dict[Operator, Callable[[_JsonField, Operator, Any], sa.ColumnElement[bool]]] = {
    Operator.EQ: _equal,
    Operator.LT: _ordered,
    Operator.LTE: _ordered,
    Operator.GT: _ordered,
    Operator.GTE: _ordered,
    Operator.IN: _one_of,
    Operator.BETWEEN: _between,
    Operator.EXISTS: _exists,
    Operator.CONTAINS: _contains,
    Operator.OVERLAPS: _overlaps,
    Operator.LIKE: _like,
    Operator.ILIKE: _like,
}


def _json(value: object) -> sa.ColumnElement[Any]:
    return sa.cast(sa.literal(_written(value), sa.Text()), JSONB())


def _json_list(values: Sequence[object]) -> sa.ColumnElement[Any]:
    return sa.cast(sa.literal([_written(value) for value in values], ARRAY(sa.Text())), ARRAY(JSONB()))


def _written(value: object) -> str:
    """Return a value as JSON text. The standard encoder has no way to write a Decimal without loss."""
    value = without_enum(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_written(key)}: {_written(part)}" for key, part in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, Decimal):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return json.dumps(value, ensure_ascii=False)
    raise _not_json(value)


def _not_json(value: object) -> InvalidFilterError:
    return InvalidFilterError(f"JSON has no {type(value).__name__}: give {shown(value)} as the text that is stored")
