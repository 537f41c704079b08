"""Turns a filter into one SQLAlchemy condition on the target.

A condition may come out NULL where it does not hold: Postgres' WHERE, AND and OR treat that alike, and an index serves the plain
comparison only. A negation is therefore written ``(...) IS NOT TRUE``, and so is the exact complement.
"""

from __future__ import annotations

import math
import operator as python
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pgvec.errors import InvalidFilterError
from pgvec.model import Target
from pgvec.model.filter_operands import shown
from pgvec.model.filter_parser import parse_filter
from pgvec.model.filters import And, Comparison, Filter, Not, Operator, Or, Predicate
from pgvec.statements.filter_fields import Field, find_field
from pgvec.statements.filter_json import json_condition
from pgvec.statements.filter_types import UNFIT, IntegerKind, Kind, kind_of, postgres_type
from pgvec.statements.related import on_target

__all__ = ["build_filter"]

_PRESENCE = frozenset({Operator.EXISTS})
_EQUALITY = _PRESENCE | {Operator.EQ, Operator.NE, Operator.IN, Operator.NIN}
_ORDER = _EQUALITY | {Operator.LT, Operator.LTE, Operator.GT, Operator.GTE, Operator.BETWEEN}
_TEXT = _ORDER | {Operator.LIKE, Operator.ILIKE}
_ARRAY = _PRESENCE | {Operator.EQ, Operator.NE, Operator.CONTAINS, Operator.OVERLAPS}
_COMPLEMENTS = {Operator.NE: Operator.EQ, Operator.NIN: Operator.IN}
_COMPARE: dict[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQ: python.eq,
    Operator.LT: python.lt,
    Operator.LTE: python.le,
    Operator.GT: python.gt,
    Operator.GTE: python.ge,
}
_LARGEST = 2**63 - 1
_MAX_DEPTH = 100
"""A level of the JSON language becomes up to three of the tree."""


def build_filter(target: Target, where: object | None) -> sa.ColumnElement[bool] | None:
    """Return a filter as one condition on the rows of a target, or None where every row passes.

    Args:
        target: What is searched.
        where: A filter of the JSON language, a filter tree, a boolean SQLAlchemy expression, or None.

    Raises:
        InvalidFilterError: If the filter names an unknown key or operator, compares with a value of the wrong type, or is
            none of these.
    """
    if where is None:
        return None
    if isinstance(where, sa.ColumnElement):
        return on_target(target, where)
    if isinstance(where, Mapping):
        where = parse_filter(where)
    if isinstance(where, And) and not where.parts:
        return None
    if isinstance(where, And | Or | Not | Comparison | Predicate):
        return _condition(target, where)
    return on_target(target, where)


def _condition(target: Target, tree: Filter, depth: int = 0) -> sa.ColumnElement[bool]:
    if depth > _MAX_DEPTH:
        raise InvalidFilterError(f"the filter tree is nested deeper than {_MAX_DEPTH} levels")
    match tree:
        case And(parts):
            return sa.and_(sa.true(), *(_condition(target, part, depth + 1) for part in parts))
        case Or(parts):
            return sa.or_(sa.false(), *(_condition(target, part, depth + 1) for part in parts))
        case Not(Not(part)):
            return _condition(target, part, depth + 1)
        case Not(part):
            return _complement(_condition(target, part, depth + 1))
        case Predicate(condition):
            return on_target(target, condition)
        case Comparison():
            return _comparison(target, tree)


def _complement(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return condition.self_group().is_not(sa.true())


def _comparison(target: Target, comparison: Comparison) -> sa.ColumnElement[bool]:
    field = find_field(target, comparison.path)
    plain = _COMPLEMENTS.get(comparison.operator)
    try:
        condition = _on_field(field, comparison.operator, plain or comparison.operator, comparison.value)
    except InvalidFilterError as exc:
        raise InvalidFilterError(
            f"{shown(field.key)} {comparison.operator}: {exc}", key=field.key, operator=comparison.operator.value
        ) from exc
    return condition if plain is None else _complement(condition)


def _on_field(field: Field, asked: Operator, operator: Operator, operand: Any) -> sa.ColumnElement[bool]:
    """Return the condition for an operator that is not a negated one; ``asked`` is what the filter says."""
    column = field.column
    type_ = None if field.embedding else postgres_type(column.type)
    if isinstance(type_, JSONB):
        return json_condition(field, operator, operand)
    item_type, mapped_type = type_, column.type
    is_array = isinstance(type_, sa.ARRAY)
    if isinstance(type_, sa.ARRAY):
        item_type, mapped_type = postgres_type(type_.item_type), type_.item_type
    kind = None if item_type is None else kind_of(item_type, mapped_type)
    _check_operator(asked, field, kind, is_array=is_array)
    if operator is Operator.EXISTS:
        return column.is_not(None) if operand else column.is_(None)
    if operator is Operator.EQ and operand is None:
        return column.is_(None)
    assert kind is not None
    return (_on_array if is_array else _on_scalar)(column, kind, operator, operand)


def _check_operator(operator: Operator, field: Field, kind: Kind | None, *, is_array: bool) -> None:
    if kind is None:
        known, holds = _PRESENCE, f"values of the type {field.column.type!r}; for more, use a SQLAlchemy expression"
        if field.embedding:
            holds = "embeddings; to compare them is what a search is for"
    elif is_array:
        known, holds = _ARRAY, f"lists of {kind.name}"
    else:
        known, holds = _TEXT if kind.text else _ORDER if kind.ordered else _EQUALITY, kind.name
    if operator not in known:
        listed = ", ".join(sorted(known))
        raise InvalidFilterError(f"known here is {listed}, because the column holds {holds}")


def _on_scalar(column: sa.ColumnElement[Any], kind: Kind, operator: Operator, operand: Any) -> sa.ColumnElement[bool]:
    match operator:
        case Operator.IN:
            return _one_of(column, kind, operand)
        case Operator.BETWEEN:
            low, high = operand
            return sa.and_(_compared(column, kind, Operator.GTE, low), _compared(column, kind, Operator.LTE, high))
        case Operator.LIKE:
            return column.like(kind.bound(operand))
        case Operator.ILIKE:
            return column.ilike(kind.bound(operand))
        case _:
            return _compared(column, kind, operator, operand)


def _compared(column: sa.ColumnElement[Any], kind: Kind, operator: Operator, operand: object) -> sa.ColumnElement[bool]:
    value = kind.value(operand)
    if isinstance(kind, IntegerKind):
        return _compared_integer(column, kind, operator, value)
    condition: sa.ColumnElement[bool] = _COMPARE[operator](column, kind.bound(value))
    return condition


def _compared_integer(
    column: sa.ColumnElement[Any], kind: IntegerKind, operator: Operator, number: Any
) -> sa.ColumnElement[bool]:
    """Compare whole numbers with any number, by the whole number next to it, so that an index on the column serves."""
    if operator is Operator.EQ and number != math.floor(number):
        return sa.false()
    whole = math.ceil(number) if operator in {Operator.LT, Operator.GTE} else math.floor(number)
    if -_LARGEST - 1 <= whole <= _LARGEST:
        condition: sa.ColumnElement[bool] = _COMPARE[operator](column, kind.bound(whole))
        return condition
    # Beyond what any column holds the answer is known: either every number or none.
    return column.is_not(None) if _COMPARE[operator](0, whole) else sa.false()


def _one_of(column: sa.ColumnElement[Any], kind: Kind, operand: tuple[object, ...]) -> sa.ColumnElement[bool]:
    values = [kind.value(value) for value in operand]
    if isinstance(kind, IntegerKind):
        values = [int(value) for value in values if value == math.floor(value) and -_LARGEST - 1 <= value <= _LARGEST]
    return column == sa.any_(kind.bound_list(values)) if values else sa.false()


def _on_array(column: sa.ColumnElement[Any], kind: Kind, operator: Operator, operand: Any) -> sa.ColumnElement[bool]:
    if operator is Operator.EQ and not isinstance(operand, tuple):
        raise InvalidFilterError(f"the column holds lists, which {shown(operand)} is not: use $contains")
    items = [kind.item(item) for item in (operand if isinstance(operand, tuple) else (operand,))]
    fitting = [item for item in items if item is not UNFIT]
    if operator is Operator.OVERLAPS:
        return column.bool_op("&&")(kind.bound_array(fitting)) if fitting else sa.false()
    if len(fitting) < len(items):
        return sa.false()
    return column.bool_op("=" if operator is Operator.EQ else "@>")(kind.bound_array(fitting))
