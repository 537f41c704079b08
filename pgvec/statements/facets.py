"""Counts of the rows that match, beside the matches: facets, histograms and the total.

One pass over the rows counts all facets of single values, and the total::

    SELECT grouping(v0, v1), v0, v1, count(*) FROM (the values of the rows that match) GROUP BY GROUPING SETS ((v0), (v1), ())

Facets of lists unnest them in a pass of their own. A value keeps its type: each facet has a column of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INTERVAL, JSONB

from pgvec.errors import InvalidOptionError
from pgvec.facets import FacetRequest, HistogramRequest
from pgvec.model import Target
from pgvec.scores import used_parts
from pgvec.statements.filter_types import postgres_type
from pgvec.statements.named_values import NamedValue, named_value
from pgvec.statements.numbers import row_count, whole_number
from pgvec.statements.shaping import FacetCount, Items

__all__ = ["TOTAL", "Matching", "counts", "facet_count"]

Matching: TypeAlias = Callable[..., sa.Select[Any]]
"""Selects what is given of every row that matches."""
TOTAL = -1
"""What stands for the number of a facet where all rows are counted."""
# A Monday, from which weeks and other lengths are counted.
_MONDAY = datetime(2001, 1, 1)  # noqa: DTZ001 - a local time, in the time zone of the histogram
_LARGEST = 1e307


def facet_count(target: Target, request: FacetRequest | HistogramRequest) -> FacetCount:
    """Return what to count for a facet that is asked for.

    Raises:
        InvalidOptionError: Its column cannot be counted so.
    """
    found = named_value(target, request.column, "facets")
    name = request.name or found.name
    if name is None:
        raise InvalidOptionError("an expression among facets= needs a name: facet(expression, name='...')")
    if used_parts(found.element):
        raise InvalidOptionError(
            f"the facet {name!r:.60} is made of the search's own distance or score, which only the nearest rows have"
        )
    type_ = postgres_type(found.element.type)
    if isinstance(request, HistogramRequest):
        value = _bars(found, name, type_, request)
        return FacetCount(name, value, value.type, Items.ONE, request.limit, is_histogram=True)
    if isinstance(type_, JSONB):
        return FacetCount(name, found.element, found.element.type, Items.JSON, request.limit)
    if isinstance(type_, sa.ARRAY):
        return FacetCount(name, found.element, type_.item_type, Items.ARRAY, request.limit)
    if isinstance(type_, sa.JSON):
        return FacetCount(name, sa.cast(found.element, JSONB()), JSONB(), Items.JSON, request.limit)
    return FacetCount(name, found.element, found.element.type, Items.ONE, request.limit)


def counts(matching: Matching, facets: Sequence[FacetCount], keys: Sequence[Any]) -> list[sa.Subquery]:
    """Return the parts of the statement that count: tables of ``facet``, ``rows``, ``all_rows`` and ``value_<n>``.

    Args:
        matching: Selects from the rows that match.
        facets: What to count.
        keys: The primary key.
    """
    single = {n: facet for n, facet in enumerate(facets) if facet.items is Items.ONE}
    lists = {n: facet for n, facet in enumerate(facets) if facet.items is not Items.ONE}
    return [_of_values(matching, single), *(_of_items(matching, n, facet, keys) for n, facet in lists.items())]


def _of_values(matching: Matching, facets: dict[int, FacetCount]) -> sa.Subquery:
    """The total, and the values of all facets that have one for each row."""
    if not facets:
        rows = row_count()
        total = matching(sa.literal_column(str(TOTAL), sa.Integer).label("facet"), rows.label("rows"))
        return total.add_columns(rows.label("all_rows")).subquery("pgvec_counts")
    listed = matching(*(facet.value.label(f"value_{n}") for n, facet in facets.items())).subquery("pgvec_values")
    values = list(listed.c)
    sets = sa.func.grouping_sets(*(sa.tuple_(value) for value in values), sa.tuple_())
    mask = sa.func.grouping(*values, type_=sa.Integer())
    everything = 2 ** len(values) - 1
    number = sa.case(
        *(
            (mask == whole_number(everything - 2 ** (len(values) - 1 - place)), whole_number(n))
            for place, n in enumerate(facets)
        ),
        else_=whole_number(TOTAL),
    )
    counted = (
        sa.select(number.label("facet"), *values, row_count().label("rows")).group_by(sets).subquery("pgvec_counted")
    )
    return _limited(counted, facets, "pgvec_counts")


def _of_items(matching: Matching, number: int, facet: FacetCount, keys: Sequence[Any]) -> sa.Subquery:
    """The elements of lists: each counts once for a row, and a row without any has NULL."""
    named = [key.label(f"key_{n}") for n, key in enumerate(keys)]
    rows = matching(*named, facet.value.label("items")).subquery(f"pgvec_lists_{number}")
    items = (
        sa.func.unnest(rows.c["items"]) if facet.items is Items.ARRAY else sa.func.jsonb_array_elements(_array(rows))
    )
    column: sa.ColumnClause[Any] = sa.column("item", facet.type)
    unnested = items.table_valued(column, name=f"pgvec_items_{number}").render_derived().lateral()
    item = unnested.c.item if facet.items is Items.ARRAY else _not_null(unnested.c.item)
    of_row = [rows.c[key.name] for key in named]
    each = (
        sa.select(*of_row, item.label(f"value_{number}"))
        .select_from(rows.outerjoin(unnested, item.is_not(None)))
        .distinct()
        .subquery(f"pgvec_each_{number}")
    )
    value = each.c[f"value_{number}"]
    counted = sa.select(whole_number(number).label("facet"), value, row_count().label("rows")).group_by(value)
    return _limited(counted.subquery(f"pgvec_counted_{number}"), {number: facet}, f"pgvec_counts_{number}")


def _array(rows: sa.Subquery) -> sa.ColumnElement[Any]:
    value = rows.c["items"]
    is_array = sa.func.jsonb_typeof(value) == sa.literal_column("'array'", sa.Text())
    return sa.case((is_array, value), else_=sa.func.jsonb_build_array(value))


def _not_null(item: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.nullif(item, sa.literal_column("'null'::jsonb", JSONB()), type_=JSONB())


def _limited(counted: sa.Subquery, facets: dict[int, FacetCount], name: str) -> sa.Subquery:
    """The first values of every facet; rows without a value take no place."""
    values = [counted.c[f"value_{n}"] for n in facets]
    without = sa.func.num_nulls(*values) == whole_number(len(values))
    often = [n for n, facet in facets.items() if not facet.is_histogram]
    by_rows = sa.case((counted.c.facet.in_([whole_number(n) for n in often]), -counted.c.rows), else_=whole_number(0))
    place = sa.func.row_number().over(partition_by=(counted.c.facet, without), order_by=(by_rows, *values))
    together = sa.cast(sa.func.sum(counted.c.rows).over(partition_by=counted.c.facet), sa.BigInteger)
    placed = sa.select(
        counted.c.facet,
        counted.c.rows,
        together.label("all_rows"),
        *values,
        place.label("place"),
        without.label("without"),
    ).subquery(f"{name}_placed")
    limit = sa.case(
        *((placed.c.facet == whole_number(n), whole_number(facet.limit)) for n, facet in facets.items()),
        else_=whole_number(1),
    )
    kept = sa.select(*(column for column in placed.c if column.name not in ("place", "without")), placed.c.place)
    return kept.where(sa.or_(placed.c.without, placed.c.place <= limit)).subquery(name)


def _bars(found: NamedValue, name: str, type_: Any, request: HistogramRequest) -> sa.ColumnElement[Any]:
    element = found.element
    if request.step is None and isinstance(type_, sa.Integer | sa.Numeric | sa.Float):
        return _number_bars(element, type_, request)
    if request.step is not None and isinstance(type_, sa.Date | sa.DateTime):
        if isinstance(type_, sa.Date) and request.step.length.total_seconds() % 86_400:
            raise InvalidOptionError(f"the histogram {name!r:.60} is one of dates: every= takes whole days or longer")
        return _time_bars(element, type_, request)
    wanted = "width= takes a column of numbers" if request.step is None else "every= takes a column of dates or moments"
    raise InvalidOptionError(f"the histogram {name!r:.60} cannot be made: {wanted}, not {element.type!r}")


def _number_bars(element: sa.ColumnElement[Any], type_: Any, request: HistogramRequest) -> sa.ColumnElement[Any]:
    assert request.width is not None
    is_whole = isinstance(type_, sa.Integer) and request.width % 1 == 0 and request.start % 1 == 0
    is_exact = is_whole or (isinstance(type_, sa.Numeric) and not isinstance(type_, sa.Float))
    number: Any = sa.Numeric(asdecimal=True) if is_exact else sa.Double()
    convert: Callable[[Decimal], Any] = Decimal if is_exact else float
    value, width, start = (
        sa.cast(element, number),
        sa.literal(convert(request.width), number),
        sa.literal(convert(request.start), number),
    )
    if is_exact:
        # A quotient of numeric is rounded, a remainder is not.
        rest = (value - start) % width
        bar: sa.ColumnElement[Any] = sa.func.trim_scale(value - (rest + width) % width, type_=number)
        if is_whole:
            return sa.cast(bar, sa.BigInteger)
        return sa.case((sa.func.abs(value) < sa.literal_column("'Infinity'::numeric", number), bar), else_=value)
    bar = sa.func.floor((value - start) / width, type_=number) * width + start
    # Beyond that the division overflows, and a bar is narrower than the gaps between numbers; so it is for infinity and NaN.
    most = sa.literal(_LARGEST * min(1.0, float(request.width)), number)
    return sa.case((sa.func.abs(value) < most, bar), else_=value)


def _time_bars(element: sa.ColumnElement[Any], type_: Any, request: HistogramRequest) -> sa.ColumnElement[Any]:
    """Where the bar of a moment begins; NULL for infinity, which Python has no date for."""
    assert request.step is not None
    is_aware = bool(getattr(type_, "timezone", False))
    zone = sa.literal(request.timezone, sa.Text())
    is_local = not is_aware or request.step.months or not request.step.length.total_seconds() % 86_400
    local: sa.ColumnElement[Any] = sa.cast(element, sa.DateTime()) if isinstance(type_, sa.Date) else element
    monday: sa.ColumnElement[Any] = sa.literal(_MONDAY, sa.DateTime())
    if is_aware and is_local:
        # Days, months and years are those of the clocks of the zone, as long as they may be there.
        local = sa.func.timezone(zone, element, type_=sa.DateTime())
    elif is_aware:
        monday = sa.func.timezone(zone, monday, type_=sa.DateTime(timezone=True))
    bar = _months(local, request.step.months) if request.step.months else _bin(request, local, monday)
    if is_aware and is_local:
        bar = sa.func.timezone(zone, bar, type_=sa.DateTime(timezone=True))
    if isinstance(type_, sa.Date):
        bar = sa.cast(bar, sa.Date())
    return sa.case((sa.func.isfinite(element), bar), else_=sa.null())


def _bin(request: HistogramRequest, moment: sa.ColumnElement[Any], start: sa.ColumnElement[Any]) -> Any:
    assert request.step is not None
    return sa.func.date_bin(sa.literal(request.step.length, INTERVAL()), moment, start, type_=moment.type)


def _months(moment: sa.ColumnElement[Any], months: int) -> sa.ColumnElement[Any]:
    """The first of the months that a moment's month is counted to, from January of the year 1."""
    number = sa.cast(
        sa.extract("year", moment) * whole_number(12) + sa.extract("month", moment) - whole_number(13), sa.Integer()
    )
    steps = sa.literal(months, sa.Integer())
    # Postgres' % takes the sign of the dividend, which is negative before Christ.
    passed = (number % steps + steps) % steps
    first = sa.func.date_trunc(sa.literal_column("'month'", sa.Text()), moment, type_=sa.DateTime())
    bar: sa.ColumnElement[Any] = first - sa.func.make_interval(
        sa.literal_column("0", sa.Integer), passed, type_=INTERVAL()
    )
    return sa.cast(bar, sa.DateTime())
