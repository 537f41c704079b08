"""Lists of values as one array parameter.

SQLAlchemy writes ``IN`` with a parameter for each value: another text for every length, which cannot be prepared, and more than
65,535 of them the protocol does not carry. ``= ANY (array)`` means the same, in one text for all lengths.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BindParameter

__all__ = ["with_arrays"]

# Types whose arrays travel as they do alone; decorated types may bind what an array would not.
_PLAIN = (sa.Integer, sa.Numeric, sa.String, sa.Date, sa.DateTime, sa.Uuid, sa.Boolean)
_TESTS: dict[Any, Any] = {operators.in_op: sa.any_, operators.not_in_op: sa.all_}


def with_arrays(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Return a condition with its lists of values as arrays, or itself where it has none."""
    if not any(_is_list(part) for part in visitors.iterate(condition)):
        return condition
    return visitors.replacement_traverse(condition, {}, _replacement)


def _is_list(element: Any) -> bool:
    if not isinstance(element, sa.BinaryExpression) or element.operator not in _TESTS:
        return False
    values = element.right
    return (
        isinstance(values, BindParameter)
        and values.expanding
        and isinstance(element.left, sa.Column)
        and isinstance(element.left.type, _PLAIN)
        and not isinstance(element.left.type, sa.Enum)
        and isinstance(values.value, list | tuple)
        # The driver sends arrays of one type only.
        and len({type(value) for value in values.value if value is not None}) <= 1
    )


def _unbounded(type_: Any) -> Any:
    """Return a type without its length or scale: a cast to them would cut values, and find rows that do not match."""
    if isinstance(type_, sa.String):
        return sa.String()
    return sa.Numeric() if isinstance(type_, sa.Numeric) and not isinstance(type_, sa.Float) else type_


def _replacement(element: Any, **_options: Any) -> Any:
    if not _is_list(element):
        return None
    values: BindParameter[Any] = element.right
    array = sa.bindparam(None, list(values.value or ()), type_=ARRAY(_unbounded(element.left.type)), unique=True)
    listed = _TESTS[element.operator](array)
    return element.left == listed if element.operator is operators.in_op else element.left != listed
