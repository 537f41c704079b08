"""Distances as database expressions of Django."""

from __future__ import annotations

from typing import Any

from django.db.models import FloatField, Func, Value

from pgvec.errors import InvalidInputError
from pgvec.integrations.django.driver import facts_of
from pgvec.model import Target
from pgvec.orm.embedding import operator_name, quote_identifier
from pgvec.orm.values import check_value, to_text

__all__ = ["VectorDistance", "query_vector"]


class VectorDistance(Func):
    """The distance between an embedding field and a vector.

    Args:
        column: Name of the embedding field.
        vector: An expression: a vector as text, another field, a subquery.
        target: What was read of the field.
    """

    output_field = FloatField()

    def __init__(self, column: str, vector: Any, target: Target, **extra: Any) -> None:
        self.target = target
        super().__init__(column, vector, **extra)

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        """Write the operator and the type with the schema of the extension, which need not be on the search path."""
        schema = facts_of(connection).extension_schema
        left, right = self.get_source_expressions()
        left_sql, left_values = compiler.compile(left)
        right_sql, right_values = compiler.compile(right)
        kind = self.target.column.type
        operator = operator_name(self.target.distance, schema).replace("%", "%%")
        cast = f"::{_type_name(kind, schema, self.target.column.dimensions)}" if isinstance(right, Value) else ""
        return f"({left_sql} {operator} {right_sql}{cast})", [*left_values, *right_values]


def query_vector(target: Target, query: Any) -> Any:
    """Return what is compared with: an expression as it is, a vector checked and as text.

    Raises:
        InvalidInputError: It is no vector for this column.
    """
    if hasattr(query, "resolve_expression"):
        return query
    if query is None:
        raise InvalidInputError("The query is None: give a vector, a text or an expression")
    return Value(to_text(check_value(query, target.column, distance=target.distance, what="query vector")))


def _type_name(kind: str, schema: str, dimensions: int | None) -> str:
    if kind == "bit":
        return "varbit" if dimensions is None else f"bit({dimensions:d})"
    return f"{quote_identifier(schema)}.{kind}".replace("%", "%%")
