"""Read the vector indexes that a table declares, by pgvec's classes or by plain ``Index``."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql import visitors

from pgvec.model import Distance, IndexMethod, VectorColumn, VectorIndex, VectorType
from pgvec.orm.index_text import faithfulness, names_operator_class, read_index_text, serving

__all__ = ["declared_distances", "declared_indexes"]

_DIALECT = PGDialect()  # type: ignore[no-untyped-call]


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
    return tuple(serving(index, distance) for index in _read(element, column))


def _read(element: sa.Column[Any], column: VectorColumn) -> list[VectorIndex]:
    declared = element.table.indexes if isinstance(element.table, sa.Table) else ()
    read = (_read_index(index, element, column) for index in declared)
    return sorted((index for index in read if index is not None), key=faithfulness)


def _read_index(index: sa.Index, element: sa.Column[Any], column: VectorColumn) -> VectorIndex | None:
    options = index.dialect_options["postgresql"]
    using = str(options["using"] or "").lower()
    if using not in set(IndexMethod) or len(index.expressions) != 1:
        return None
    (expression,) = index.expressions
    text = _text(expression)
    if not _is_on(expression, element, text):
        return None
    operator_class = options["ops"].get(getattr(expression, "key", None)) or _default_operator_class(
        using, column, text
    )
    name = None if index.name is None else str(index.name)
    return read_index_text(name, IndexMethod(using), operator_class, text, column, partial=options["where"] is not None)


def _text(expression: Any) -> str:
    options = {"literal_binds": True, "include_table": False}
    return str(expression.compile(dialect=_DIALECT, compile_kwargs=options))


def _default_operator_class(using: str, column: VectorColumn, text: str) -> str:
    # The text of an expression may name its class itself; pgvector has one default only.
    if using == IndexMethod.IVFFLAT and column.type is VectorType.VECTOR and not names_operator_class(text):
        return "vector_l2_ops"
    return text


def _is_on(expression: Any, element: sa.Column[Any], text: str) -> bool:
    if isinstance(expression, sa.TextClause):
        return re.search(rf"\b{re.escape(element.name)}\b", text) is not None
    return any(isinstance(part, sa.Column) and part.name == element.name for part in visitors.iterate(expression))
