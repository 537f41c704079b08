"""Read the vector indexes that a table declares, by pgvec's classes or by plain ``Index``."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql import visitors

from pgvec.model import Distance, IndexMethod, VectorColumn, VectorIndex, VectorType
from pgvec.orm.rules import QUANTIZATIONS, SERVED_BY_BITS

__all__ = ["declared_distances", "declared_indexes"]

_DIALECT = PGDialect()  # type: ignore[no-untyped-call]
_DISTANCES = {distance.operator_class_suffix: distance for distance in Distance}
_OPERATOR_CLASS = re.compile(rf"\b({'|'.join(VectorType)})_({'|'.join(_DISTANCES)})\b")
_SUBVECTOR = re.compile(r"\bsubvector\s*\(.*?,\s*(\d+)\s*,\s*(\d+)\s*\)", re.IGNORECASE)
_CALL = re.compile(r"(\w+)\s*\(")
_UNDERSTOOD = {"cast", "subvector", "binary_quantize"} | {kind.value for kind in VectorType}


def declared_distances(element: sa.Column[Any], column: VectorColumn) -> frozenset[Distance]:
    """Return the distances that the vector indexes on a column serve; one of bits made from numbers tells none."""
    return frozenset(index.distance for index in _read(element, column) if index.quantization is not VectorType.BIT)


def declared_indexes(element: sa.Column[Any], column: VectorColumn, distance: Distance) -> tuple[VectorIndex, ...]:
    """Return the vector indexes on a column, the most faithful to the distances first, HNSW before IVFFlat.

    Args:
        element: The column in its table.
        column: What is known of it.
        distance: What is searched by; an index of bits made from numbers serves it if signs tell anything of it.
    """
    return tuple(
        replace(index, distance=distance) if _serves_by_bits(index, distance) else index
        for index in _read(element, column)
    )


def _serves_by_bits(index: VectorIndex, distance: Distance) -> bool:
    return index.quantization is VectorType.BIT and distance in SERVED_BY_BITS


def _read(element: sa.Column[Any], column: VectorColumn) -> list[VectorIndex]:
    declared = element.table.indexes if isinstance(element.table, sa.Table) else ()
    read = (_read_index(index, element, column) for index in declared)
    return sorted((index for index in read if index is not None), key=_rank)


def _rank(index: VectorIndex) -> tuple[bool, int, bool, str]:
    coarseness = (None, VectorType.HALFVEC, VectorType.BIT).index(index.quantization)
    return index.dimensions is not None, coarseness, index.method is IndexMethod.IVFFLAT, index.name or ""


def _read_index(index: sa.Index, element: sa.Column[Any], column: VectorColumn) -> VectorIndex | None:
    options = index.dialect_options["postgresql"]
    using = str(options["using"] or "").lower()
    if using not in set(IndexMethod) or len(index.expressions) != 1:
        return None
    (expression,) = index.expressions
    text = _text(expression)
    if not _is_on(expression, element, text) or not _is_understood(text):
        return None
    operator_class = options["ops"].get(getattr(expression, "key", None)) or _default_operator_class(
        using, column, text
    )
    stored, distance = _served_by(operator_class)
    if not _suits(column.type, stored, distance):
        return None
    leading = _SUBVECTOR.search(text)
    return VectorIndex(
        name=None if index.name is None else str(index.name),
        method=IndexMethod(using),
        distance=distance,
        quantization=None if stored is column.type else stored,
        dimensions=None if leading is None else int(leading[2]),
        partial=options["where"] is not None,
    )


def _served_by(operator_class: str) -> tuple[VectorType | None, Distance]:
    named = _OPERATOR_CLASS.search(operator_class)
    return (None, Distance.L2) if named is None else (VectorType(named[1]), _DISTANCES[named[2]])


def _suits(declared: VectorType, stored: VectorType | None, distance: Distance) -> bool:
    if stored is declared:
        return True
    return stored in QUANTIZATIONS[declared] and (stored is not VectorType.BIT or distance is Distance.HAMMING)


def _text(expression: Any) -> str:
    options = {"literal_binds": True, "include_table": False}
    return str(expression.compile(dialect=_DIALECT, compile_kwargs=options))


def _default_operator_class(using: str, column: VectorColumn, text: str) -> str:
    # The text of an expression may name its class itself; pgvector has one default only.
    if using == IndexMethod.IVFFLAT and column.type is VectorType.VECTOR and not _OPERATOR_CLASS.search(text):
        return "vector_l2_ops"
    return text


def _is_on(expression: Any, element: sa.Column[Any], text: str) -> bool:
    if isinstance(expression, sa.TextClause):
        return re.search(rf"\b{re.escape(element.name)}\b", text) is not None
    return any(isinstance(part, sa.Column) and part.name == element.name for part in visitors.iterate(expression))


def _is_understood(text: str) -> bool:
    """Tell whether a query can be made to say the same as the index."""
    leading = _SUBVECTOR.search(text)
    return {name.lower() for name in _CALL.findall(text)} <= _UNDERSTOOD and (leading is None or leading[1] == "1")
