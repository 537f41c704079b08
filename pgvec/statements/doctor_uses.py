"""By which distances a column is searched, and through which expression, as far as declarations and statements tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pgvec.model import Distance, VectorColumn, VectorIndex, VectorType
from pgvec.model.catalog import CatalogColumn, CatalogIndex
from pgvec.model.doctor import Health, SeenStatement, UsedDistance
from pgvec.orm.index_text import read_catalog_text, serving

__all__ = ["Use", "read_index", "serves", "uses"]

_OPERATORS = {distance.operator: distance for distance in Distance}
_OPERATOR = r"(?:OPERATOR\s*\(\s*[^()\s]+?\.)?(?P<operator><->|<#>|<=>|<\+>|<~>|<%>)"
_ORDERED = re.compile(rf"\bORDER\s+BY\s+(?P<text>.{{1,200}}?)\s*{_OPERATOR}", re.IGNORECASE | re.DOTALL)
_MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Use:
    """One way in which a column is searched.

    Attributes:
        distance: The distance.
        form: The type and the number of leading dimensions that the query compares; None where any form will do.
        source: Who says so, and how often.
    """

    distance: Distance
    form: tuple[VectorType, int | None] | None
    source: str


def uses(health: Health, column: CatalogColumn) -> Iterator[Use]:
    """Yield the ways in which a column is searched."""
    for declared in health.distances:
        if _is_meant(declared, column):
            yield Use(declared.distance, None, declared.source)
    for statement in health.statements:
        yield from _of_statement(statement, column)


def read_index(index: CatalogIndex, column: CatalogColumn) -> tuple[VectorIndex | None, bool]:
    """Return what pgvec can use of an index, and whether it is on the column at all."""
    held = VectorColumn(column.name, column.name, column.type, column.dimensions)
    text = index.column if index.column is not None else index.expression or ""
    return read_catalog_text(
        index.name, index.method.value, index.operator_class, text, held, partial=index.predicate is not None
    )


def serves(index: VectorIndex, use: Use) -> bool:
    """Whether an index answers a search: a query of one's own has to say exactly what the index holds."""
    if use.form is None:
        return serving(index, use.distance).distance is use.distance
    return index.distance is use.distance


def _is_meant(declared: UsedDistance, column: CatalogColumn) -> bool:
    is_there = column.visible if declared.schema is None else column.schema == declared.schema
    return is_there and declared.table == column.table and declared.column in {None, column.name}


def _of_statement(statement: SeenStatement, column: CatalogColumn) -> Iterator[Use]:
    """Read the distances that a statement orders by; one that names the table is taken to be about it."""
    if not _names(statement.text, column.table):
        return
    for found in _ORDERED.finditer(statement.text):
        if _names(found["text"], column.name):
            shown = " ".join(statement.text.split())
            shown = shown if len(shown) <= _MOST_SHOWN else shown[: _MOST_SHOWN - 3] + "..."
            yield Use(
                _OPERATORS[found["operator"]],
                _form(found["text"], column),
                f"run {statement.calls:,} times: {shown}",
            )


def _form(text: str, column: CatalogColumn) -> tuple[VectorType, int | None]:
    lowered = text.lower()
    kind = column.type
    if "binary_quantize" in lowered:
        kind = VectorType.BIT
    elif re.search(r"(::|\bas\s+)\s*(\"?\w+\"?\.)?\"?halfvec", lowered):
        kind = VectorType.HALFVEC
    leading = re.search(r"\bsubvector\s*\(.*?,\s*\S+\s*,\s*(\d+)", lowered, re.DOTALL)
    return kind, None if leading is None or int(leading[1]) == column.dimensions else int(leading[1])


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text) is not None
