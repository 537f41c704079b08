"""Vector indexes for ``Meta.indexes``; Django's own ``AddIndexConcurrently`` builds them online."""

from __future__ import annotations

from typing import Any

import pgvector.django
from django.db.models import F, Func, Value
from django.db.models.expressions import ExpressionList
from django.db.models.signals import class_prepared
from django.db.models.sql import Query

from pgvec.errors import PgvecError
from pgvec.integrations.django.fields import describe_field
from pgvec.model import Distance, VectorType

__all__ = ["HnswIndex", "IvfflatIndex", "operator_class"]


class _VectorIndex:
    """What both indexes add to pgvector-python's: a smaller form of the vectors, and the operator class of the field.

    The operator class is taken from the field when the model class is complete, and so stands in the migration: where the
    distance of the field changes, ``makemigrations`` builds the index anew.
    """

    name: str
    fields: list[str]
    opclasses: list[str]

    def __init__(
        self,
        *expressions: Any,
        quantization: VectorType | str | None = None,
        dimensions: int | None = None,
        **options: Any,
    ) -> None:
        self.quantization = None if quantization is None else str(quantization)
        self.dimensions = dimensions
        super().__init__(*expressions, **options)

    def deconstruct(self) -> tuple[Any, Any, Any]:
        """Tell migrations how to make this index."""
        _path, args, kwargs = super().deconstruct()  # type: ignore[misc]
        if self.quantization is not None:
            kwargs["quantization"] = self.quantization
        if self.dimensions is not None:
            kwargs["dimensions"] = self.dimensions
        return f"pgvec.integrations.django.{type(self).__name__}", args, kwargs

    def set_name_with_model(self, model: Any) -> None:
        """Name the index; those that hold smaller forms of one column must not have one name."""
        super().set_name_with_model(model)  # type: ignore[misc]
        form = "".join(
            str(part)[0] + str(part)[-1] for part in (self.quantization, self.dimensions) if part is not None
        )
        if form:
            # In front of the hash, where it stays readable; it takes the place of the end of the column's name.
            table, column, *rest = self.name.rsplit("_", 3)
            self.name = "_".join([table, column[: 7 - len(form)] + form, *rest])

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **kwargs: Any) -> Any:
        """Write ``CREATE INDEX``, over an expression where the index holds a smaller form of the vectors."""
        if not self.opclasses and len(self.fields) == 1 and (found := _operator_classes(self, model)):
            # A migration that was written by hand need not name what follows from the field.
            completed = self.clone()  # type: ignore[attr-defined]
            completed.opclasses = found
            return completed.create_sql(model, schema_editor, using, **kwargs)
        if self.quantization is None and self.dimensions is None:
            return super().create_sql(model, schema_editor, using, **kwargs)  # type: ignore[misc]
        return _with_parameters(self, _create_expression_sql(self, model, schema_editor, **kwargs))


class HnswIndex(_VectorIndex, pgvector.django.HnswIndex):
    """An HNSW index; its operator class follows from the distance of the field.

    Args:
        expressions: As for every index of Django; to follow the field, name it in ``fields`` instead.
        fields: The name of the embedding field, in a list.
        m: Connections of each element, 2 to 100; pgvector's default is 16.
        ef_construction: Candidates kept while building, 4 to 1,000 and at least twice ``m``; pgvector's default is 64.
        quantization: ``halfvec`` (half the size) or ``bit`` (a 32nd, signs only): what the index holds instead of the
            column's type. Searches compare the candidates again by the full vectors.
        dimensions: Number of leading dimensions to index, for models trained so that those suffice.
        options: What every index of Django takes (``name``, ``opclasses``, ``condition``, ...).

    What pgvector cannot build is an error of the system checks: ``pgvec.E004``.
    """


class IvfflatIndex(_VectorIndex, pgvector.django.IvfflatIndex):
    """An IVFFlat index; its operator class follows from the distance of the field.

    It finds its lists in the rows that are there when it is built: load first, then create it.

    Args:
        expressions: As for every index of Django; to follow the field, name it in ``fields`` instead.
        fields: The name of the embedding field, in a list.
        lists: Number of lists, 1 to 32,768; pgvector's default is 100, its advice rows / 1,000.
        quantization: As for :class:`HnswIndex`.
        dimensions: As for :class:`HnswIndex`.
        options: What every index of Django takes (``name``, ``opclasses``, ``condition``, ...).
    """


def operator_class(kind: VectorType, quantization: VectorType | None, distance: Distance) -> str:
    """Name the operator class of what an index holds; signs are compared by counting those that differ."""
    by = Distance.HAMMING if quantization is VectorType.BIT else distance
    return f"{quantization or kind}_{by.operator_class_suffix}"


def _complete(sender: Any, **_: Any) -> None:
    """Give the indexes of a model that is complete now the operator classes of their fields."""
    for index in sender._meta.indexes:
        if isinstance(index, _VectorIndex) and len(index.fields) == 1 and not index.opclasses:
            index.opclasses = _operator_classes(index, sender)


class_prepared.connect(_complete, dispatch_uid="pgvec.indexes")


def _operator_classes(index: Any, model: Any) -> list[str]:
    try:
        column = describe_field(model._meta.get_field(index.fields[0].lstrip("-")))
        quantization = None if index.quantization is None else VectorType(index.quantization)
    except (PgvecError, ValueError):
        return []  # the system checks tell what is wrong
    if column is None or column.distance is None:
        return []
    return [operator_class(column.type, quantization, column.distance)]


def _create_expression_sql(index: Any, model: Any, schema_editor: Any, **kwargs: Any) -> Any:
    element = F(index.fields[0])
    column = describe_field(model._meta.get_field(index.fields[0]))
    assert column is not None, "the system checks refuse an index on another column"
    if index.dimensions is not None:
        element = Func(element, Value(1), Value(index.dimensions), function="subvector")
    if index.quantization == VectorType.BIT:
        element = Func(element, function="binary_quantize")
    # A function's result has no number of dimensions, which an index needs.
    cast = f"{index.quantization or column.type}({index.dimensions or column.dimensions:d})"
    indexed = Func(element, template=f"((%(expressions)s)::{cast}) {' '.join(index.opclasses)}")
    query = Query(model, alias_cols=False)
    return schema_editor._create_index_sql(
        model,
        name=index.name,
        using=f" USING {index.suffix}",
        db_tablespace=index.db_tablespace,
        condition=index._get_condition_sql(model, schema_editor),
        include=[model._meta.get_field(name).column for name in index.include],
        expressions=ExpressionList(indexed).resolve_expression(query),
        **kwargs,
    )


def _with_parameters(index: Any, statement: Any) -> Any:
    parameters = ", ".join(index.get_with_params())
    if parameters:
        statement.parts["extra"] = f" WITH ({parameters}){statement.parts['extra']}"
    return statement
