"""Random filters of the JSON language over the table of ``filter_table``, and a run of them against the oracle."""

from __future__ import annotations

import enum
import math
from collections import Counter
from datetime import date, time
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from support.filter_oracle import meaning
from support.filter_table import ARRAYS, JSON_KEYS, JSON_VALUES, TARGET, VALUES, Thing, fill

from pgvec.statements.filters import build_filter

ORDER = ("$lt", "$lte", "$gt", "$gte", "$between")
EQUALITY = ("$eq", "$ne", "$in", "$nin", "$exists")
PATTERNS = ("$like", "$ilike")
ON_ARRAY = ("$eq", "$ne", "$contains", "$overlaps", "$exists")
ON_JSON = (*ORDER, *EQUALITY, *PATTERNS, "$contains", "$overlaps")
_LIKE_PARTS = ("a", "B", "b", "%", "_", "\\%", "\\_", "\\\\", "ä", "日", "'", "")
_PATHS = (
    *(key.replace(".", "\\.") for key in JSON_KEYS),
    "list.0",
    "list.-1",
    "list.9",
    "author.name",
    "author.age",
    "author.0",
    "no",
)
_BATCH = 40


def operators_on(attribute: str) -> tuple[str, ...]:
    """Return the operators that a column of the table knows."""
    if attribute == "embedding":
        return ("$exists",)
    if attribute in ARRAYS:
        return ON_ARRAY
    if attribute in {"mood", "size", "flag"}:
        return EQUALITY
    return (*EQUALITY, *ORDER, *PATTERNS) if attribute in {"word", "code"} else (*EQUALITY, *ORDER)


class Filters:
    """A stream of random filters; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.used: Counter[tuple[str, str]] = Counter()

    def filter(self, depth: int = 0) -> dict[str, Any]:
        """Return one filter: one to three conditions, some of them nested."""
        made: dict[str, Any] = {}
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            if depth < 3 and self.random.random() < 0.35:
                made.update([self._nested(depth)])
            else:
                made.update([self._field()])
        return made

    def _nested(self, depth: int) -> tuple[str, Any]:
        name = self.random.choice(("$and", "$or", "$not"))
        if name == "$not":
            return name, self.filter(depth + 1)
        return name, [self.filter(depth + 1) for _ in range(self.random.choice((0, 1, 2, 2, 3)))]

    def _field(self) -> tuple[str, Any]:
        if self.random.random() < 0.4:
            return self._json_field()
        attribute = self.random.choice(tuple(VALUES))
        name, operand = self._condition(attribute)
        key = "quantity" if attribute == "number" and self.random.random() < 0.5 else attribute
        return key, self._written(name, operand, lambda: self._condition(attribute))

    def _json_field(self) -> tuple[str, Any]:
        root = self.random.choice(("metadata", "metadata_"))
        key = root if self.random.random() < 0.1 else f"{root}.{self.random.choice(_PATHS)}"
        name, operand = self._json_condition()
        return key, self._written(name, operand, self._json_condition)

    def _written(self, name: str, operand: Any, another: Any) -> Any:
        """Write a condition in one of the ways that the language has for it."""
        chance = self.random.random()
        if name == "$eq" and not isinstance(operand, list | dict) and chance < 0.5:
            return operand
        if chance < 0.7:
            return {name: operand}
        if chance < 0.85:
            return {"$not": {name: operand}}
        return {name: operand, **dict([another()])}

    def _condition(self, attribute: str) -> tuple[str, Any]:
        name = self.random.choice(operators_on(attribute))
        self.used[attribute, name] += 1
        value = lambda: self._variant(self._finite(attribute))  # noqa: E731
        if attribute in ARRAYS and name in {"$eq", "$ne"}:
            return name, None if self.random.random() < 0.2 else self._several(value)
        if attribute in ARRAYS and name == "$contains":
            return name, value() if self.random.random() < 0.5 else self._several(value)
        return name, self._operand(name, value)

    def _operand(self, name: str, value: Any) -> Any:
        match name:
            case "$exists":
                return self.random.random() < 0.5
            case "$eq" | "$ne" if self.random.random() < 0.15:
                return None
            case "$in" | "$nin" | "$overlaps":
                return self._several(value)
            case "$between":
                return [value(), value()]
            case "$like" | "$ilike":
                return "".join(self.random.choices(_LIKE_PARTS, k=self.random.randint(0, 4)))
            case _:
                return value()

    def _several(self, value: Any) -> list[Any]:
        return [value() for _ in range(self.random.choice((0, 1, 2, 3, 6)))]

    def _finite(self, attribute: str) -> Any:
        value = self.random.choice(VALUES[attribute])
        return value if not isinstance(value, float | Decimal) or math.isfinite(value) else type(value)(7)

    def _variant(self, value: Any) -> Any:
        """Return a value in another form that the language takes, or one nearby."""
        if self.random.random() < 0.5 or isinstance(value, bool):
            return value
        match value:
            case int() | float() | Decimal():
                nearby = (value, float(value), 0.5, Decimal("0.10"), 10**30, -(10**30), 1e39, 2**31, 0.1, 3)
                return self.random.choice(nearby)
            case enum.Enum():
                return value.name
            case UUID():
                return str(value)
            case date() | time():
                return value.isoformat()
            case _:
                return value

    def _json_condition(self) -> tuple[str, Any]:
        name = self.random.choice(ON_JSON)
        self.used["metadata_", name] += 1
        scalars = [value for value in JSON_VALUES if value is not None and not isinstance(value, list | dict)]
        values = [value for value in JSON_VALUES if value is not None]
        if name in ORDER:
            kinds = [[1, 1.5, -3, Decimal("0.1"), 10**20, 0], ["a", "A", "", "ab", "ä", "1"]]
            kind = self.random.choice(kinds)
            return name, self._operand(name, lambda: self.random.choice(kind))
        pool = scalars if name == "$overlaps" else values
        if name == "$contains":
            pool = [value for value in values if not isinstance(value, list) or None not in value]
        if name == "$contains" and self.random.random() < 0.3:
            return name, self._several(lambda: self.random.choice(values))
        return name, self._operand(name, lambda: self.random.choice(pool))


def check_filters(engine: sa.Engine, *, seed: int, count: int, row_count: int = 200) -> Counter[tuple[str, str]]:
    """Hold random filters against the oracle, on a fresh table.

    Every second batch may use no sequential scan, so that the conditions are answered by indexes as well.

    Returns:
        How often each operator met each column.
    """
    rows = fill(engine, seed, row_count)
    generator = Filters(seed)
    telling = 0
    for batch in range(math.ceil(count / _BATCH)):
        filters = [generator.filter() for _ in range(min(_BATCH, count - batch * _BATCH))]
        found = _found(engine, filters, indexed=batch % 2 == 1)
        for source, ids in zip(filters, found, strict=True):
            matches = meaning(source)
            expected = {row["id"] for row in rows if matches(row)}
            assert ids == expected, _difference(seed, source, rows, ids ^ expected)
            telling += 0 < len(expected) < row_count
    assert telling > count // 3, f"only {telling} of {count} filters told rows apart"
    return generator.used


def _found(engine: sa.Engine, filters: list[dict[str, Any]], *, indexed: bool) -> list[set[int]]:
    branches = []
    for position, source in enumerate(filters):
        condition = build_filter(TARGET, source)
        branch = sa.select(sa.literal_column(str(position)).label("position"), Thing.__table__.c.id)
        branches.append(branch if condition is None else branch.where(condition))
    found: list[set[int]] = [set() for _ in filters]
    with engine.begin() as connection:
        # Before PostgreSQL 18 a forbidden scan counts as so dear that the statement would be compiled to machine code.
        connection.execute(sa.text("SET LOCAL jit = off"))
        if indexed:
            connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        # No two batches are alike: looking for a compiled one costs more than it saves.
        statement = sa.union_all(*branches)
        for position, record_id in connection.execute(statement, execution_options={"compiled_cache": None}):
            found[position].add(record_id)
    return found


def _difference(seed: int, source: Any, rows: list[dict[str, Any]], ids: set[int]) -> str:
    row = next(row for row in rows if row["id"] in ids)
    return f"seed {seed}: the filter {source!r} and the oracle differ on {len(ids)} rows, such as {row!r}"
