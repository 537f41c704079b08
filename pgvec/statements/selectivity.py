"""How many rows a condition passes, as bounds that follow from the statistics which Postgres keeps.

Several conditions may hold of the same rows or of none in common, which no statistics tell. So the parts of an AND or OR are
combined by Fréchet's bounds, which hold for any dependence (M. Fréchet, "Généralisation du théorème des probabilités
totales", Fundamenta Mathematicae 25, 1935); what cannot be read is anything from no row to every row.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, False_, True_, UnaryExpression

from pgvec.model import ColumnStatistics
from pgvec.statements.conditions import Leaf, is_or, parts_of, read_leaf, unwrapped

__all__ = ["ANYTHING", "EVERYTHING", "Share", "number_of", "share_of"]


@dataclass(frozen=True, slots=True)
class Share:
    """Bounds of the share of rows that pass a condition, each from 0 to 1."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The share to reckon with where one number is needed."""
        return (self.low + self.high) / 2


ANYTHING = Share(0.0, 1.0)
EVERYTHING = Share(1.0, 1.0)
_NOTHING = Share(0.0, 0.0)
_DEEPEST = 40
_MOST_VALUES = 1_000
# A value of a column whose number of values grows with the table is in few rows.
_RARE = 0.001


def share_of(condition: Any, columns: Mapping[str, ColumnStatistics], table: Any, depth: int = 0) -> Share:
    """Return bounds of the share of rows that pass a condition.

    Args:
        condition: A SQLAlchemy condition.
        columns: Statistics by column name.
        table: The table that the statistics are of; conditions on other tables tell nothing.
        depth: How deep the condition is nested in another.
    """
    condition = unwrapped(condition)
    if depth > _DEEPEST:
        return ANYTHING
    if isinstance(condition, True_ | False_):
        return EVERYTHING if isinstance(condition, True_) else _NOTHING
    parts = parts_of(condition)
    if parts is not None:
        shares = [share_of(part, columns, table, depth + 1) for part in parts]
        return any_of(shares) if is_or(condition) else all_of(shares)
    if (negated := _negated(condition)) is not None:
        inner, is_complement = negated
        share = share_of(inner, columns, table, depth + 1)
        # A row for which the inner condition is NULL passes neither it nor its plain negation.
        return Share(1.0 - share.high if is_complement else 0.0, 1.0 - share.low)
    leaf = read_leaf(condition)
    known = leaf is not None and leaf.table is table and leaf.column in columns
    return _of_leaf(leaf, columns[leaf.column]) if known and leaf is not None else ANYTHING


def all_of(shares: list[Share]) -> Share:
    """Return bounds for rows that pass every condition."""
    return Share(
        max(0.0, sum(share.low for share in shares) - (len(shares) - 1)),
        min((share.high for share in shares), default=1.0),
    )


def any_of(shares: list[Share]) -> Share:
    """Return bounds for rows that pass at least one condition."""
    return Share(
        max((share.low for share in shares), default=0.0),
        min(1.0, sum(share.high for share in shares)),
    )


def _negated(condition: Any) -> tuple[Any, bool] | None:
    """Return what a negation negates, and whether it is the exact complement, ``IS NOT TRUE``."""
    if isinstance(condition, BinaryExpression) and condition.operator is operators.is_not:
        return (condition.left, True) if isinstance(condition.right, True_) else None
    if isinstance(condition, UnaryExpression) and condition.operator is operators.inv:
        return (condition.element, False) if read_leaf(condition) is None else None
    return None


def _of_leaf(leaf: Leaf, statistics: ColumnStatistics) -> Share:
    present = 1.0 - statistics.null_fraction
    if leaf.operator in {"is null", "is not null"}:
        share = statistics.null_fraction if leaf.operator == "is null" else present
        return Share(share, share)
    if leaf.operator == "=":
        return _equal(leaf.values[0], statistics)
    if leaf.operator == "<>":
        equal = _equal(leaf.values[0], statistics)
        return Share(max(0.0, present - equal.high), present - equal.low)
    return _listed(leaf.values, statistics) if leaf.operator == "in" else _range(leaf, statistics)


def _listed(values: tuple[Any, ...], statistics: ColumnStatistics) -> Share:
    if len(values) > _MOST_VALUES:
        return ANYTHING
    shares = [_equal(value, statistics) for value in set(values)]
    # Different values are never in the same row.
    return Share(min(1.0, sum(share.low for share in shares)), min(1.0, sum(share.high for share in shares)))


def _equal(value: Any, statistics: ColumnStatistics) -> Share:
    if value is None:
        return _NOTHING
    text = _text(value, statistics.type)
    if text is None:
        return ANYTHING
    if text in statistics.common:
        share = statistics.common[text]
        return Share(share, share)
    if statistics.type in {"bool", "enum"}:
        return ANYTHING
    # ANALYZE lists the most common values first, so any other is at most as common as the last of them.
    others = statistics.others
    if statistics.common:
        return Share(0.0, min(others, *statistics.common.values()))
    # Where ANALYZE lists none as common, all values are about equally rare.
    return Share(0.0, min(others, 2.0 / statistics.distinct if statistics.distinct > 0 else _RARE))


def _range(leaf: Leaf, statistics: ColumnStatistics) -> Share:
    bound = number_of(leaf.values[0])
    if bound is None or len(statistics.common_numbers) < len(statistics.common):
        return ANYTHING
    sure = sum(share for number, share in statistics.common_numbers if _passes(number, leaf.operator, bound))
    others = statistics.others
    groups = statistics.bounds
    if len(groups) < 2:
        return Share(sure, min(1.0, sure + others))
    below = _share_below(groups, bound)
    part = below if leaf.operator in {"<", "<="} else 1.0 - below
    slack = 1.0 / (len(groups) - 1)
    return Share(sure + others * max(0.0, part - slack), min(1.0, sure + others * min(1.0, part + slack)))


def _passes(number: float, operator: str, bound: float) -> bool:
    match operator:
        case "<":
            return number < bound
        case "<=":
            return number <= bound
        case ">":
            return number > bound
        case _:
            return number >= bound


def _share_below(groups: tuple[float, ...], bound: float) -> float:
    """Return the share of the values below a bound, all groups being equally large."""
    if bound <= groups[0]:
        return 0.0
    if bound >= groups[-1]:
        return 1.0
    full = bisect_right(groups, bound) - 1
    low, high = groups[full], groups[full + 1]
    inside = (bound - low) / (high - low) if high > low else 0.5
    return (full + inside) / (len(groups) - 1)


def _text(value: Any, kind: str) -> str | None:
    """Return a value as Postgres writes one of its type, or None where that may differ."""
    if kind in {"text", "varchar", "enum"}:
        return value if isinstance(value, str) else None
    if kind == "bool":
        return ("t" if value else "f") if isinstance(value, bool) else None
    if kind == "uuid":
        return str(value).lower()
    if kind.startswith("int") and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def number_of(value: Any) -> float | None:
    """Return a value as a number, a moment in seconds since 1970, or None where it is neither."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float | Decimal):
        return float(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    return None
