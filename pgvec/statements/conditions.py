"""Reads simple comparisons out of a condition, for the planner: which column is compared with which values.

What it does not recognise it leaves out; nothing depends on the values read here but the choice of a strategy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    BindParameter,
    BooleanClauseList,
    CollectionAggregate,
    ExpressionClauseList,
    Grouping,
)

__all__ = ["Leaf", "columns_of", "conjuncts", "is_containment", "is_or", "parts_of", "read_leaf", "unwrapped"]

_COMPARISONS = {
    operators.eq: "=",
    operators.ne: "<>",
    operators.lt: "<",
    operators.le: "<=",
    operators.gt: ">",
    operators.ge: ">=",
}
_FLIPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison of a column with constants.

    Attributes:
        table: The table that the column belongs to.
        column: Name of the column in Postgres.
        operator: ``=``, ``<>``, ``<``, ``<=``, ``>``, ``>=``, ``in``, ``is null`` or ``is not null``.
        values: The constants, as the program has them; more than one only for ``in``.
        inexact: Whether Postgres may compare with other constants than the program has: rounded, or of another type.
    """

    table: Any
    column: str
    operator: str
    values: tuple[Any, ...] = ()
    inexact: bool = False


def unwrapped(condition: Any) -> Any:
    """Take off parentheses."""
    while isinstance(condition, Grouping):
        condition = condition.element
    return condition


def parts_of(condition: Any) -> tuple[Any, ...] | None:
    """Return what an AND or an OR joins, or None for anything else."""
    if isinstance(condition, BooleanClauseList | ExpressionClauseList) and condition.operator in {
        operators.and_,
        operators.or_,
    }:
        return tuple(condition.clauses)
    return None


def is_or(condition: Any) -> bool:
    """Tell whether what :func:`parts_of` returned is joined by OR."""
    return condition.operator is operators.or_


def conjuncts(condition: Any) -> Iterator[Any]:
    """Yield the conditions that all have to hold."""
    condition = unwrapped(condition)
    parts = parts_of(condition)
    if parts is None or is_or(condition):
        yield condition
        return
    for part in parts:
        yield from conjuncts(part)


def columns_of(condition: Any, table: Any) -> frozenset[str]:
    """Return the names of the table's columns that a condition reads; none where it reads another table too."""
    found = [part for part in visitors.iterate(condition) if isinstance(part, sa.Column)]
    if any(isinstance(part, sa.sql.selectable.SelectBase) for part in visitors.iterate(condition)):
        return frozenset()
    return frozenset(column.name for column in found) if all(c.table is table for c in found) else frozenset()


def is_containment(condition: Any) -> bool:
    """Tell whether a condition asks what is inside of an array or a JSON value, which a GIN index answers."""
    condition = unwrapped(condition)
    return getattr(getattr(condition, "operator", None), "opstring", None) in {"@>", "<@", "&&"}


def read_leaf(condition: Any) -> Leaf | None:
    """Return a condition as a comparison of a column with constants, or None where it is something else."""
    condition = unwrapped(condition)
    if isinstance(condition, sa.Column):
        return _leaf(condition, "=", (True,)) if isinstance(condition.type, sa.Boolean) else None
    if isinstance(condition, sa.UnaryExpression):
        return _read_unary(condition)
    if not isinstance(condition, sa.BinaryExpression):
        return None
    column, other, flipped = _sides(condition)
    if column is None or _translates(column.type):
        return None
    return _read_comparison(column, condition.operator, other, flipped=flipped)


def _read_unary(condition: Any) -> Leaf | None:
    """Read a boolean column that stands for itself, or its negation."""
    inner = unwrapped(condition.element)
    value = {operators.is_true: True, operators.is_false: False, operators.inv: False}.get(condition.operator)
    if value is None or not isinstance(inner, sa.Column) or not isinstance(inner.type, sa.Boolean):
        return None
    return _leaf(inner, "=", (value,))


def _sides(condition: Any) -> tuple[Any, Any, bool]:
    left, right = unwrapped(condition.left), unwrapped(condition.right)
    if isinstance(left, sa.Column):
        return left, right, False
    if isinstance(right, sa.Column):
        return right, left, True
    return None, None, False


def _read_comparison(column: Any, operator: Any, other: Any, *, flipped: bool) -> Leaf | None:
    if isinstance(other, sa.sql.elements.Null):
        test = {operators.is_: "is null", operators.is_not: "is not null"}.get(operator)
        return None if test is None else _leaf(column, test, ())
    if operator is operators.in_op:
        return _read_list(column, other)
    sign = _COMPARISONS.get(operator)
    if sign is None:
        return None
    if isinstance(other, CollectionAggregate):
        return _read_list(column, other.element) if sign == "=" else None
    constant = _constant(other)
    if constant is None:
        return None
    return _leaf(column, _FLIPPED[sign] if flipped else sign, constant)


def _read_list(column: Any, listed: Any) -> Leaf | None:
    constant = _constant(unwrapped(listed))
    if constant is None or not isinstance(constant[0], list | tuple):
        return None
    return _leaf(column, "in", tuple(constant[0]))


def _constant(element: Any) -> tuple[Any] | None:
    """Return the value of a constant, in a tuple so that NULL differs from no constant."""
    while isinstance(element, sa.Cast | Grouping):
        element = element.clause if isinstance(element, sa.Cast) else element.element
    if isinstance(element, sa.sql.elements.True_):
        return (True,)
    if isinstance(element, sa.sql.elements.False_):
        return (False,)
    if not isinstance(element, BindParameter) or element.callable is not None or _translates(element.type):
        return None
    return (element.value,)


def _translates(type_: Any) -> bool:
    """Tell whether a type stores other values than the program has."""
    if isinstance(type_, sa.TypeDecorator):
        return (
            type(type_).process_bind_param is not sa.TypeDecorator.process_bind_param
            or type(type_).bind_processor is not sa.TypeDecorator.bind_processor
        )
    return isinstance(type_, sa.Enum) and type_.enum_class is not None


def _leaf(column: Any, operator: str, values: tuple[Any, ...]) -> Leaf:
    inexact = not all(value is None or _arrives(value, column.type) for value in values)
    return Leaf(column.table, column.name, operator, values, inexact)


def _arrives(value: Any, type_: Any) -> bool:
    """Tell whether a value is compared as it is: of the column's own kind, and not rounded by the cast to its type."""
    if isinstance(type_, sa.Boolean):
        return isinstance(value, bool)
    if isinstance(type_, sa.String):
        return isinstance(value, str)
    if isinstance(type_, sa.Uuid):
        return isinstance(value, UUID)
    if isinstance(value, bool) or isinstance(type_, sa.Float):
        return False
    if isinstance(value, int):
        return isinstance(type_, sa.Integer | sa.Numeric)
    return isinstance(type_, sa.Numeric) and isinstance(value, Decimal) and _fits(value, type_.scale)


def _fits(value: Decimal, scale: int | None) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and (scale is None or -exponent <= scale)
