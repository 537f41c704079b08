"""Understands what a vector index holds from its text, as SQLAlchemy compiles it or as the catalog prints it."""

from __future__ import annotations

import re
from dataclasses import replace

from pgvec.model import Distance, IndexMethod, VectorColumn, VectorIndex, VectorType
from pgvec.orm.embedding import quote_identifier
from pgvec.orm.rules import QUANTIZATIONS, SERVED_BY_BITS

__all__ = ["faithfulness", "names_operator_class", "read_catalog_text", "read_index_text", "serving"]

_DISTANCES = {distance.operator_class_suffix: distance for distance in Distance}
_OPERATOR_CLASS = re.compile(rf"\b({'|'.join(VectorType)})_({'|'.join(_DISTANCES)})\b")
_SUBVECTOR = re.compile(r"\bsubvector\s*\(.*?,\s*(\d+)\s*,\s*(\d+)\s*\)", re.IGNORECASE)
_CALL = re.compile(r"(\w+)\s*\(")
_UNDERSTOOD = {"cast", "subvector", "binary_quantize"} | {kind.value for kind in VectorType}


def names_operator_class(text: str) -> bool:
    """Tell whether a text names an operator class of pgvector."""
    return _OPERATOR_CLASS.search(text) is not None


def read_index_text(
    name: str | None, method: IndexMethod, operator_class: str, text: str, column: VectorColumn, *, partial: bool
) -> VectorIndex | None:
    """Return the index, or None where a query cannot be made to say the same.

    Args:
        name: Name of the index, or None where it has none yet.
        method: Access method.
        operator_class: Name of its operator class.
        text: What it holds: the column, or an expression on it.
        column: The column that it is on.
        partial: Whether it has a predicate.
    """
    if not _is_understood(text):
        return None
    stored, distance = _served_by(operator_class)
    if not _suits(column.type, stored, distance):
        return None
    leading = _SUBVECTOR.search(text)
    return VectorIndex(
        name=name,
        method=method,
        distance=distance,
        quantization=None if stored is column.type else stored,
        dimensions=None if leading is None else int(leading[2]),
        partial=partial,
    )


def read_catalog_text(
    name: str, method: str, operator_class: str, text: str, column: VectorColumn, *, partial: bool
) -> tuple[VectorIndex | None, bool]:
    """Read an index as the catalog prints it.

    Returns:
        The index, or None where a query cannot be made to say the same, and whether it is on the column at all.
    """
    plain = {column.name, quote_identifier(column.name)}
    if text not in plain and (
        "(" not in text or re.search(rf"(?<![\w$]){re.escape(column.name)}(?![\w$])", text) is None
    ):
        return None, False
    expression = "" if text in plain else text
    return read_index_text(name, IndexMethod(method), operator_class, expression, column, partial=partial), True


def serving(index: VectorIndex, distance: Distance) -> VectorIndex:
    """Return an index as it serves searches by a distance: one of bits made from numbers serves those that signs tell of."""
    serves_by_bits = index.quantization is VectorType.BIT and distance in SERVED_BY_BITS
    return replace(index, distance=distance) if serves_by_bits else index


def faithfulness(index: VectorIndex) -> tuple[bool, int, bool, str]:
    """Sort key: the most faithful to the distances first, HNSW before IVFFlat."""
    coarseness = (None, VectorType.HALFVEC, VectorType.BIT).index(index.quantization)
    return index.dimensions is not None, coarseness, index.method is IndexMethod.IVFFLAT, index.name or ""


def _served_by(operator_class: str) -> tuple[VectorType | None, Distance]:
    named = _OPERATOR_CLASS.search(operator_class)
    return (None, Distance.L2) if named is None else (VectorType(named[1]), _DISTANCES[named[2]])


def _suits(declared: VectorType, stored: VectorType | None, distance: Distance) -> bool:
    if stored is declared:
        return True
    return stored in QUANTIZATIONS[declared] and (stored is not VectorType.BIT or distance is Distance.HAMMING)


def _is_understood(text: str) -> bool:
    """Tell whether a query can be made to say the same as the index."""
    leading = _SUBVECTOR.search(text)
    return {name.lower() for name in _CALL.findall(text)} <= _UNDERSTOOD and (leading is None or leading[1] == "1")
