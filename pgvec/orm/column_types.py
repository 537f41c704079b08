"""Recognise vector columns, whoever wrote their type."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from pgvec.model import VectorColumn, VectorType
from pgvec.orm.embedding import Embedding

__all__ = ["describe_type", "find_embedding"]

_DIALECT = PGDialect()  # type: ignore[no-untyped-call]


def find_embedding(declared: TypeEngine[Any]) -> Embedding | None:
    """Return pgvec's type from inside decorators and variants for Postgres, or None where it is another type."""
    found = _unwrap(declared)
    return found if isinstance(found, Embedding) else None


def describe_type(declared: TypeEngine[Any], attribute: str, name: str) -> VectorColumn | None:
    """Describe a column of pgvec's or pgvector-python's types, also inside decorators and variants for Postgres.

    Args:
        declared: Type of the column.
        attribute: Name under which the model has the column.
        name: Name of the column in Postgres.

    Returns:
        What the type tells, without indexes, or None where it is no vector type.
    """
    found = _unwrap(declared)
    if isinstance(found, Embedding):
        return found.describe(attribute, name)
    if (kind := _kind(found)) is None:
        return None
    # pgvector-python calls it dim, except on BIT, which has a length.
    dimensions = found.length if kind is VectorType.BIT else found.dim
    return VectorColumn(attribute=attribute, name=name, type=kind, dimensions=dimensions)


def _unwrap(declared: TypeEngine[Any]) -> Any:
    found: Any = declared.dialect_impl(_DIALECT)
    # pgvector-python 0.5 has BIT as a decorator itself: where one is recognised, look no further.
    while isinstance(found, TypeDecorator) and _kind(found) is None:
        found = found.load_dialect_impl(_DIALECT).dialect_impl(_DIALECT)
    return found


def _kind(found: object) -> VectorType | None:
    for base in type(found).__mro__:
        if base.__module__.split(".")[:2] == ["pgvector", "sqlalchemy"]:
            return next((kind for kind in VectorType if kind.value == base.__name__.lower()), None)
    return None
