"""What to count beside the matches of a search: the values of a column, or how they are spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pgvec.errors import InvalidOptionError
from pgvec.model.durations import CalendarStep, read_step
from pgvec.orm.rules import whole_number

__all__ = ["facet", "histogram"]

DEFAULT_VALUES = 10
DEFAULT_BARS = 1_000
MOST_VALUES = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class FacetRequest:
    """A facet that is asked for; :func:`facet` makes it.

    Attributes:
        column: The column, its name, or an expression.
        limit: Most values to return.
        name: What the facet is called.
    """

    column: Any
    limit: int = DEFAULT_VALUES
    name: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HistogramRequest:
    """A histogram that is asked for; :func:`histogram` makes it.

    Attributes:
        column: The column, its name, or an expression.
        limit: Most bars to return.
        name: What the facet is called.
        width: Width of a bar in numbers, or None.
        step: Width of a bar in time, or None.
        start: Where a bar of numbers begins.
        timezone: The time zone whose days, months and years are meant.
    """

    column: Any
    limit: int
    name: str | None
    width: Decimal | None
    step: CalendarStep | None
    start: Decimal
    timezone: str


def facet(column: Any, *, limit: int = DEFAULT_VALUES, name: str | None = None) -> FacetRequest:
    """Count the rows that match by the values of a column.

    Args:
        column: A column, its name, or an expression. Of a list every value counts, once for each row.
        limit: How many values to return, the most frequent; the rest is counted as ``other``.
        name: What the facet is called in the answer; by default as the column.
    """
    return FacetRequest(column, whole_number(limit, "limit", 1, MOST_VALUES), _name(name))


def histogram(
    column: Any,
    *,
    width: float | Decimal | None = None,
    every: object = None,
    start: float | Decimal = 0,
    timezone: str = "UTC",
    limit: int = DEFAULT_BARS,
    name: str | None = None,
) -> HistogramRequest:
    """Count the rows that match by bars of equal width; the value of a bar is where it begins.

    For numbers ``floor((x - start) / width) * width + start``, as Elasticsearch's ``histogram`` documents it
    (https://www.elastic.co/guide/en/elasticsearch/reference/current/search-aggregations-bucket-histogram-aggregation.html).
    Bars without rows are left out.

    Args:
        column: A column, its name, or an expression of numbers, dates or moments.
        width: Width of a bar of numbers, above 0.
        every: Width of a bar of time: a text such as ``"1 month"`` or ``"6 hours"``, or a timedelta. Weeks begin on Monday.
        start: Where some bar of numbers begins.
        timezone: For moments with a time zone: the zone whose days, months and years are meant.
        limit: How many bars to return, the lowest; the rest is counted as ``other``.
        name: What the histogram is called in the answer; by default as the column.
    """
    if (width is None) == (every is None):
        raise InvalidOptionError("a histogram takes either width= for numbers or every= for time")
    return HistogramRequest(
        column,
        whole_number(limit, "limit", 1, MOST_VALUES),
        _name(name),
        None if width is None else _width(width),
        None if every is None else read_step("every", every),
        _number("start", start),
        _timezone(timezone),
    )


def _name(name: object) -> str | None:
    if name is not None and (not isinstance(name, str) or not name):
        raise InvalidOptionError(f"name= takes a text, not {name!r:.60}")
    return name


def _width(value: object) -> Decimal:
    found = _number("width", value)
    if found < Decimal("1e-15"):
        raise InvalidOptionError(f"width has to be above 0, not {value!r:.60}")
    return found


def _number(name: str, value: object) -> Decimal:
    """A number as it is written: 0.1 means a tenth."""
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not abs(value) <= 10**100:  # type: ignore[arg-type]
        raise InvalidOptionError(f"{name} has to be a number, not {value!r:.60}")
    return Decimal(repr(float(value)) if isinstance(value, float) else value)  # type: ignore[arg-type]


def _timezone(name: object) -> str:
    if name == "UTC":  # known also where the machine has no list of time zones
        return "UTC"
    try:
        return ZoneInfo(name).key  # type: ignore[arg-type]
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        raise InvalidOptionError(
            f"timezone={name!r:.60} is no time zone: give a name such as 'Europe/Berlin'"
        ) from None
