"""The filter tree: what a filter means, as plain values.

``docs/filters.md`` describes the language; ``parse_filter`` reads its JSON form into this tree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from pgvec.errors import InvalidFilterError
from pgvec.model.filter_operands import check_name, read_operand, shown

__all__ = ["And", "Comparison", "Filter", "Not", "Operator", "Or", "Predicate"]


class Operator(StrEnum):
    """Compares the value at a path with an operand."""

    EQ = "$eq"
    NE = "$ne"
    LT = "$lt"
    LTE = "$lte"
    GT = "$gt"
    GTE = "$gte"
    IN = "$in"
    NIN = "$nin"
    BETWEEN = "$between"
    EXISTS = "$exists"
    CONTAINS = "$contains"
    OVERLAPS = "$overlaps"
    LIKE = "$like"
    ILIKE = "$ilike"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A condition on one column, or on the JSON value at a path below one.

    A comparison checks its operand when it is made: whatever can be refused without knowing the column's type is.

    Attributes:
        path: Name of the column, then the keys that lead to the JSON value.
        operator: What to compare by.
        value: The operand; lists become tuples.

    Raises:
        InvalidFilterError: If the path is empty or the operand does not fit the operator.
    """

    path: tuple[str, ...]
    operator: Operator
    value: object

    def __post_init__(self) -> None:
        if not self.path:
            raise InvalidFilterError("a comparison needs the name of a column")
        for name in self.path:
            check_name(name)
        try:
            operator = Operator(self.operator)
        except ValueError as exc:
            raise InvalidFilterError(
                f"unknown operator {shown(self.operator)}: known are {', '.join(Operator)}"
            ) from exc
        object.__setattr__(self, "path", tuple(self.path))
        object.__setattr__(self, "operator", operator)
        object.__setattr__(self, "value", read_operand(operator.value, self.value, key=".".join(self.path)))


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition that the layer below the search understands: a SQLAlchemy expression, a Django condition."""

    condition: object


@dataclass(frozen=True, slots=True)
class And:
    """True where every part is; true without parts."""

    parts: tuple[Filter, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", _parts(self.parts))


@dataclass(frozen=True, slots=True)
class Or:
    """True where at least one part is; false without parts."""

    parts: tuple[Filter, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", _parts(self.parts))


@dataclass(frozen=True, slots=True)
class Not:
    """True exactly where its part is not, also where a value is missing."""

    part: Filter

    def __post_init__(self) -> None:
        _parts((self.part,))


Filter: TypeAlias = And | Or | Not | Comparison | Predicate


def _parts(parts: Iterable[object]) -> tuple[object, ...]:
    """Return the parts as a tuple after checking that they are filters."""
    checked = tuple(parts)
    for part in checked:
        if not isinstance(part, And | Or | Not | Comparison | Predicate):
            raise InvalidFilterError(f"a filter consists of filters, but a part is {shown(part)}")
    return checked
