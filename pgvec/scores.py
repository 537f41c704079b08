"""What a score is made of: the search's own distance and scores, and functions of columns that pull them up or down.

``score=`` takes any SQL expression; these are for the usual ones, under the formulas that Elasticsearch and Qdrant document:
https://www.elastic.co/guide/en/elasticsearch/reference/current/query-dsl-function-score-query.html (decay functions, weight),
https://www.elastic.co/guide/en/elasticsearch/reference/current/query-dsl-rank-feature-query.html (saturation),
https://qdrant.tech/documentation/concepts/hybrid-queries/ (score boosting).

Postgres raises errors where other databases round: ``exp(-1000)`` underflows. So numbers are kept in bounds first, which changes
no result by more than rounding does.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from enum import StrEnum
from numbers import Real
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal, iterate

from pgvec.errors import InvalidOptionError
from pgvec.model.durations import read_duration
from pgvec.orm.rules import choose

__all__ = ["Decay", "boost", "decay", "distance", "fused_score", "keyword_score", "saturate", "similarity"]

CANDIDATES = "pgvec_searched"
"""Name of the part of the statement that the search's own values come from."""
_TEXTS = {
    "distance": f"{CANDIDATES}.distance",
    "similarity": f"(1 - {CANDIDATES}.distance)",
    "keyword_score": f"{CANDIDATES}.words",
    "fused_score": f"{CANDIDATES}.score",
}
_LARGEST = 1e150
_FARTHEST = 1e100
# exp(-80) is 1.8e-35, with room for several such factors in one product.
_LEAST_EXPONENT = -80.0


class Decay(StrEnum):
    """How a value falls with the distance from the origin; each is ``midpoint`` at ``scale``."""

    EXP = "exp"
    """``exp(ln(midpoint) * d / scale)``"""
    GAUSS = "gauss"
    """``exp(ln(midpoint) * (d / scale)²)``"""
    LINEAR = "linear"
    """``max(0, 1 - (1 - midpoint) * d / scale)``"""


class _Part(sa.ColumnElement[float]):
    """A value of the search itself. Only the name of one of them becomes SQL, and it is a constant of this module."""

    __visit_name__ = "pgvec_score_part"
    inherit_cache = True
    type = sa.Double()
    _traverse_internals = [("name", InternalTraversal.dp_string)]  # noqa: RUF012 - as declared there

    def __init__(self, name: str) -> None:
        self.name = name


@compiles(_Part)
def _compile_part(element: _Part, _compiler: Any, **_kw: Any) -> str:
    return _TEXTS[element.name]


def distance() -> sa.ColumnElement[float]:
    """The distance of the row; smaller is nearer. NULL for a row without embedding."""
    return _Part("distance")


def similarity() -> sa.ColumnElement[float]:
    """``1 - distance``, for the cosine distance; larger is nearer."""
    return _Part("similarity")


def keyword_score() -> sa.ColumnElement[float]:
    """The BM25 of the row, in keyword and hybrid searches; 0 where it has none of the words."""
    return _Part("keyword_score")


def fused_score() -> sa.ColumnElement[float]:
    """What a hybrid search made of distance and BM25, by its ``fusion=`` and ``weights=``."""
    return _Part("fused_score")


def used_parts(expression: sa.ColumnElement[Any]) -> set[str]:
    """Return the names of the search's own values that an expression is made of."""
    return {part.name for part in iterate(expression) if isinstance(part, _Part)}


def decay(
    column: Any,
    *,
    scale: object,
    kind: Decay | str = Decay.EXP,
    origin: object = None,
    offset: object = None,
    midpoint: float = 0.5,
    missing: float = 0.0,
) -> sa.ColumnElement[float]:
    """A value that is 1 at the origin and falls with the distance from it: to ``midpoint`` at ``scale``, then towards 0.

    With ``d = max(0, |column - origin| - offset)``: exp ``exp(ln(midpoint) * d / scale)``, gauss
    ``exp(ln(midpoint) * (d / scale)²)``, linear ``max(0, 1 - (1 - midpoint) * d / scale)``. Qdrant documents the same as
    ``exp_decay``, ``gauss_decay`` and ``lin_decay``; Elasticsearch's ``decay`` is the midpoint.

    Args:
        column: A column or expression of numbers, dates or moments.
        scale: How far away the value is ``midpoint``: a number, or for time a timedelta or a text such as ``"7 days"``.
        kind: ``exp``, ``gauss`` or ``linear``.
        origin: Where the value is 1: a number, date or datetime. By default now, and 0 for numbers.
        offset: How far around the origin the value stays 1, as ``scale``.
        midpoint: The value at ``scale``, between 0 and 1.
        missing: The value where the column is NULL (Elasticsearch takes 1).
    """
    element = _numeric_or_time(column, "decay")
    chosen = choose(Decay, kind, "kind")
    middle = _number("midpoint", midpoint, 0.0, 1.0)
    if not 0 < middle < 1:
        raise InvalidOptionError(f"midpoint has to be between 0 and 1, not {midpoint!r}")
    at, start, width, free = _measured(element, scale, origin, offset)
    bounded = sa.func.least(sa.func.greatest(at, _float(-_LARGEST), type_=sa.Double()), _float(_LARGEST))
    away: sa.ColumnElement[Any] = sa.func.abs(bounded - start, type_=sa.Double()) - _float(free)
    near: sa.ColumnElement[Any] = sa.func.least(away, _float(_FARTHEST), type_=sa.Double())
    ratio = sa.func.greatest(near, _float(1 / _FARTHEST), type_=sa.Double()) / _float(width)
    value: sa.ColumnElement[float]
    if chosen is Decay.LINEAR:
        value = sa.func.greatest(_float(1.0) - _float(1.0 - middle) * ratio, _float(0.0), type_=sa.Double())
    else:
        power = ratio if chosen is Decay.EXP else ratio * ratio
        exponent: sa.ColumnElement[Any] = sa.func.greatest(
            _float(math.log(middle)) * power, _float(_LEAST_EXPONENT), type_=sa.Double()
        )
        value = sa.func.exp(exponent, type_=sa.Double())
    return sa.case((element.is_(None), _float(_number("missing", missing, -_FARTHEST, _FARTHEST))), else_=value)


def boost(condition: Any, weight: float, *, otherwise: float = 1.0) -> sa.ColumnElement[float]:
    """A value for rows for which a condition holds, and another one for the rest: to multiply a score with, or to add.

    ``similarity() * boost(condition, 2)`` is the ``weight`` of Elasticsearch's ``function_score``;
    ``similarity() + boost(condition, 0.5, otherwise=0)`` the sum that Qdrant's formulas make.

    Args:
        condition: Any boolean expression of SQLAlchemy; for related models ``Article.author.has(...)``.
        weight: The value where it holds.
        otherwise: The value where it does not, or is NULL.
    """
    element = _element(condition)
    if element is None or not isinstance(sql_type(element), sa.Boolean):
        raise InvalidOptionError(f"boost() takes a condition such as Article.category == 'news', not {condition!r:.80}")
    holds, not_ = (
        _float(_number(name, value, -_FARTHEST, _FARTHEST))
        for name, value in (("weight", weight), ("otherwise", otherwise))
    )
    return sa.case((element, holds), else_=not_)


def saturate(column: Any, pivot: float) -> sa.ColumnElement[float]:
    """A value from 0 to 1 that grows with a column, less and less: ``x / (x + pivot)``, so one half at the pivot.

    That is the saturation of Elasticsearch's ``rank_feature``. It is 0 for NULL and for what is below 0.

    Args:
        column: A column or expression of numbers, such as a number of views.
        pivot: Where the value is one half; above 0.
    """
    element = _element(column)
    if element is None or not _is_number(sql_type(element)):
        raise InvalidOptionError(f"saturate() takes a column of numbers, not {column!r:.80}")
    half = _number("pivot", pivot, 1e-15, _FARTHEST)
    least: sa.ColumnElement[Any] = sa.func.greatest(sa.cast(element, sa.Double()), _float(0.0), type_=sa.Double())
    value: sa.ColumnElement[Any] = sa.func.least(least, _float(_LARGEST), type_=sa.Double())
    return sa.case((element.is_(None), _float(0.0)), else_=value / (value + _float(half)))


def sql_type(element: sa.ColumnElement[Any]) -> Any:
    """Return the type of an expression as Postgres has it, without the decorators of an application."""
    found: Any = element.type
    while isinstance(found, sa.TypeDecorator):
        found = found.impl_instance
    return found


def _element(value: Any) -> sa.ColumnElement[Any] | None:
    element = value.__clause_element__() if hasattr(value, "__clause_element__") else value
    return element if isinstance(element, sa.ColumnElement) else None


def _is_number(type_: Any) -> bool:
    return isinstance(type_, sa.Integer | sa.Numeric | sa.Float | sa.types.NullType)


def _numeric_or_time(column: Any, what: str) -> sa.ColumnElement[Any]:
    element = _element(column)
    if element is None or not (_is_number(sql_type(element)) or isinstance(sql_type(element), sa.Date | sa.DateTime)):
        raise InvalidOptionError(f"{what}() takes a column of numbers, dates or moments, not {column!r:.80}")
    return element


def _measured(
    element: sa.ColumnElement[Any], scale: object, origin: object, offset: object
) -> tuple[sa.ColumnElement[float], sa.ColumnElement[float], float, float]:
    """The column, the origin, the scale and the offset in one unit; for time that is seconds."""
    type_ = sql_type(element)
    if not isinstance(type_, sa.Date | sa.DateTime):
        start = 0.0 if origin is None else _number("origin", origin, -_FARTHEST, _FARTHEST)
        free = 0.0 if offset is None else _number("offset", offset, 0.0, _FARTHEST)
        return sa.cast(element, sa.Double()), _float(start), _number("scale", scale, 1e-15, 1e15), free
    length = read_duration("scale", scale).total_seconds()
    if not length:
        raise InvalidOptionError("scale has to be longer than nothing")
    free = 0.0 if offset is None else read_duration("offset", offset).total_seconds()
    return _seconds(element), _time_origin(type_, origin), length, free


def _time_origin(type_: Any, origin: object) -> sa.ColumnElement[float]:
    is_date, is_aware = isinstance(type_, sa.Date), bool(getattr(type_, "timezone", False))
    if origin is None:
        if is_date:
            return _seconds(sa.func.current_date())
        return _seconds(sa.func.now() if is_aware else sa.func.localtimestamp())
    if is_date and isinstance(origin, date) and not isinstance(origin, datetime):
        return _float(datetime(origin.year, origin.month, origin.day, tzinfo=UTC).timestamp())
    if not is_date and isinstance(origin, datetime) and (origin.utcoffset() is not None) == is_aware:
        return _float((origin if is_aware else origin.replace(tzinfo=UTC)).timestamp())
    wanted = "a date" if is_date else "a datetime with a time zone" if is_aware else "a datetime without a time zone"
    raise InvalidOptionError(f"origin has to be {wanted}, as the column holds, not {origin!r:.60}")


def _seconds(moment: sa.ColumnElement[Any]) -> sa.ColumnElement[float]:
    return sa.cast(sa.extract("epoch", moment), sa.Double())


def _float(value: float) -> sa.ColumnElement[float]:
    return sa.literal(value, sa.Double())


def _number(name: str, value: object, least: float, most: float) -> float:
    found = _float_of(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not least <= found <= most:
        raise InvalidOptionError(f"{name} has to be a number from {least:g} to {most:g}, not {value!r:.60}")
    return found


def _float_of(value: Real) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
