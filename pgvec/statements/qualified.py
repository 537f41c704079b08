"""pgvector's types and operators, written with the schema that the extension lives in.

An application's ``search_path`` need not contain that schema, and may differ from connection to connection: so every
name says where it is.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.type_api import TypeEngine
from sqlalchemy.types import UserDefinedType

from pgvec.model import Distance, VectorType
from pgvec.orm.embedding import operator_name, quote_identifier
from pgvec.orm.indexes import extension_function
from pgvec.orm.values import to_text
from pgvec.statements.numbers import ONE

__all__ = ["distance_between", "fetched", "product", "query_parameter", "similarity_of", "vector_cast"]


class _QualifiedType(UserDefinedType[Any]):
    """A type of the extension, or ``bit``, as the target of a cast."""

    cache_ok = True

    def __init__(self, schema: str | None, name: str, dimensions: int | None) -> None:
        self.schema = schema
        self.name = name
        self.dimensions = dimensions

    def get_col_spec(self, **_kw: Any) -> str:
        """Name the type with its schema and its number of dimensions."""
        name = self.name if self.schema is None else f"{quote_identifier(self.schema)}.{self.name}"
        return name if self.dimensions is None else f"{name}({self.dimensions})"


class _QueryVector(_QualifiedType):
    """The type of a dense query vector: through SQLAlchemy it travels as text, on the driver's cursor in binary."""

    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Write the vector as pgvector's text."""

        def process(value: Any) -> str | None:
            return None if value is None else to_text(value)

        return process


def query_parameter(name: str, kind: VectorType, schema: str) -> sa.ColumnElement[Any]:
    """A parameter that is a dense vector.

    It is sent without a type, so Postgres takes it for the type of the cast, and no cast remains: the plan sees a plain
    parameter. A number of dimensions would be a cast again, made for each row.
    """
    type_ = _QueryVector(schema, kind.value, None)
    return sa.cast(sa.bindparam(name, type_=type_), type_)


def vector_cast(
    value: sa.ColumnElement[Any], kind: VectorType, dimensions: int | None, schema: str
) -> sa.ColumnElement[Any]:
    """Cast ``value`` to a type of pgvector; ``schema`` is the one of the extension."""
    if kind is VectorType.BIT:
        target: TypeEngine[Any] = _QualifiedType(None, "bit" if dimensions else "varbit", dimensions)
    else:
        target = _QualifiedType(schema, kind.value, dimensions)
    return sa.cast(value, target)


def distance_between(
    left: sa.ColumnElement[Any], right: sa.ColumnElement[Any], distance: Distance, schema: str
) -> sa.ColumnElement[float]:
    """Apply the operator of ``distance``."""
    return left.op(operator_name(distance, schema), return_type=sa.Float())(right)


def fetched(vector: sa.ColumnElement[Any], kind: VectorType, schema: str) -> sa.ColumnElement[Any]:
    """Return a stored vector as a value of its own.

    Postgres keeps vectors over 2 kB out of line, and a CTE of them holds pointers: each comparison would fetch them anew. What
    comes out of a function, here the one that checks dimensions, is the value.
    """
    if kind is VectorType.BIT:
        return vector
    return extension_function(kind.value, schema, vector, sa.literal_column("-1"), sa.true())


def product(left: sa.ColumnElement[Any], right: sa.ColumnElement[Any], schema: str) -> sa.ColumnElement[Any]:
    """Multiply two vectors element by element."""
    name = quote_identifier(schema).replace("%%", "%")
    return left.op(f"OPERATOR({name}.*)")(right)


def similarity_of(distance: sa.ColumnElement[float], kind: Distance) -> sa.ColumnElement[float]:
    """Return the similarity that Qdrant scores by, from what the operator returned; larger is nearer.

    The cosine, the inner product, the *square* of the l2 distance with its sign changed, and other distances with their sign
    changed. Source: ``calculate_distance_core`` in
    https://github.com/qdrant/qdrant-client/blob/master/qdrant_client/local/distances.py
    """
    if kind is Distance.COSINE:
        return ONE - distance
    return -(distance * distance) if kind is Distance.L2 else -distance
