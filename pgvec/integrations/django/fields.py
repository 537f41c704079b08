"""The model field of embeddings."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.core import checks, validators
from django.core.exceptions import ValidationError
from django.db import models
from pgvector.django import BitField, HalfVectorField, SparseVectorField, VectorField

from pgvec.errors import InvalidInputError, InvalidOptionError
from pgvec.integrations.django.forms import EmbeddingFormField
from pgvec.model import Distance, VectorColumn, VectorType
from pgvec.orm.rules import DEFAULT_DISTANCE, MAX_STORED_DIMENSIONS, check_distance, choose, whole_number
from pgvec.orm.values import SparseVector, check_value, decode, to_text

__all__ = ["EmbeddingField", "describe_field"]


class _EmptyValues(list[Any]):
    """Django's values that count as empty, without comparing them with an array, element by element."""

    def __contains__(self, value: object) -> bool:
        return value is None or (isinstance(value, str | list | tuple | dict) and not value)


class EmbeddingField(VectorField):
    """A vector column that knows how its vectors are compared and what they are made from.

    Values are checked before they are sent: a wrong number of dimensions, NaN, infinite elements, and a zero vector under the
    cosine distance never reach the table. Values read are float32 arrays for ``vector`` and ``halfvec``, bool arrays for ``bit``,
    and pgvector-python's ``SparseVector`` for ``sparsevec``.

    Args:
        dimensions: Number of dimensions of every vector.
        distance: ``cosine``, ``l2``, ``inner_product`` or ``l1``; for ``bit`` ``hamming`` or ``jaccard``. None means ``cosine``,
            and ``hamming`` for ``bit``.
        type: ``vector``, ``halfvec``, ``sparsevec`` or ``bit``.
        source: Names of the fields that the embedding is made from.
        embedder: Name of the embedder that makes it: with ``source``, triggers and workers keep the embedding in step, as an
            ``EmbeddingSync`` in ``Meta.indexes`` declares it.
        options: What every field of Django takes (``null``, ``blank``, ``verbose_name``, ...).

    A combination that pgvector cannot do is an error of the system checks: ``pgvec.E001`` to ``pgvec.E003`` and ``pgvec.E006``.
    """

    description = "Embedding"
    # The table knows nothing of these, so a change of them is a migration without SQL.
    non_db_attrs = (*VectorField.non_db_attrs, "distance", "source", "embedder")

    def __init__(
        self,
        dimensions: int | None = None,
        *,
        distance: Distance | str | None = None,
        type: VectorType | str = VectorType.VECTOR,  # noqa: A002 - part of the public contract
        source: Iterable[str] | str = (),
        embedder: str | None = None,
        **options: Any,
    ) -> None:
        # Plain texts, because migrations write them.
        self.type = str(type)
        self.distance = None if distance is None else str(distance)
        self.source = (source,) if isinstance(source, str) else tuple(source)
        self.embedder = embedder
        super().__init__(dimensions=dimensions, **options)
        self.empty_values: Any = _EmptyValues(validators.EMPTY_VALUES)

    def deconstruct(self) -> tuple[Any, Any, Any, Any]:
        """Tell migrations how to make this field."""
        name, _path, args, kwargs = super().deconstruct()
        if self.distance is not None:
            kwargs["distance"] = self.distance
        if self.type != VectorType.VECTOR:
            kwargs["type"] = self.type
        if self.source:
            kwargs["source"] = self.source
        if self.embedder is not None:
            kwargs["embedder"] = self.embedder
        return name, "pgvec.integrations.django.EmbeddingField", args, kwargs

    @property
    def described(self) -> VectorColumn:
        """What the field declares.

        Raises:
            InvalidOptionError: It declares what pgvector does not have; the system checks say so earlier.
        """
        kind = choose(VectorType, self.type, "type")
        distance = DEFAULT_DISTANCE[kind] if self.distance is None else choose(Distance, self.distance, "distance")
        check_distance(kind, distance)
        return VectorColumn(
            attribute=self.attname,
            name=self.column,
            type=kind,
            dimensions=whole_number(self.dimensions or 0, "dimensions", 1, MAX_STORED_DIMENSIONS[kind]),
            distance=distance,
            source=self.source,
        )

    def db_type(self, connection: Any) -> str:  # noqa: ARG002 - Django's signature
        """Name the column type."""
        return f"{self.type}({self.dimensions:d})"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:  # noqa: ARG002 - Django's signature
        """Read what the driver returned."""
        return decode(value, VectorType(self.type))

    def to_python(self, value: Any) -> Any:
        """Bring a vector, or its text, into the form in which it is read."""
        if value is None:
            return None
        try:
            given = _parsed(value, VectorType(self.type)) if isinstance(value, str) else value
            return decode(self.to_text(given), VectorType(self.type))
        except (ValueError, TypeError) as exc:
            raise ValidationError(str(exc), code="invalid") from exc

    def to_text(self, value: Any) -> str:
        """Write a vector in pgvector's text form, checked for this column.

        Raises:
            InvalidInputError: The column cannot hold it.
        """
        column = self.described
        return to_text(check_value(value, column, distance=column.distance, what=self.name or "embedding"))

    def get_prep_value(self, value: Any) -> Any:
        """Write a vector for the driver."""
        if value is None or hasattr(value, "resolve_expression"):
            return value
        if isinstance(value, str):
            kind = VectorType(self.type)
            try:
                value = _parsed(value, kind)
            except ValueError as exc:
                raise InvalidInputError(f"{self.name} is a text that is no {kind}: {exc}") from exc
        return self.to_text(value)

    def value_to_string(self, obj: Any) -> str:
        """Write the value of a record for fixtures."""
        value = self.value_from_object(obj)
        return "" if value is None else self.to_text(value)

    def formfield(self, form_class: Any = None, choices_form_class: Any = None, **kwargs: Any) -> Any:
        """Show vectors as text, since Django's own form fields ask an array whether it is true."""
        kind = form_class or EmbeddingFormField
        if issubclass(kind, EmbeddingFormField):
            kwargs["model_field"] = self
        # Not the base class's, which names a form field of its own.
        return models.Field.formfield(self, form_class=kind, choices_form_class=choices_form_class, **kwargs)

    def check(self, **kwargs: Any) -> list[Any]:
        """Add to Django's checks what pgvector can store and compare, and that the sources exist."""
        return [*super().check(**kwargs), *self._check_options(), *self._check_source(), *self._check_embedder()]

    def _check_options(self) -> list[Any]:
        try:
            kind = choose(VectorType, self.type, "type")
            whole_number(self.dimensions or 0, "dimensions", 1, MAX_STORED_DIMENSIONS[kind])
        except InvalidOptionError as exc:
            return [checks.Error(str(exc), hint="Declare it as in EmbeddingField(384).", obj=self, id="pgvec.E001")]
        try:
            _ = self.described
        except InvalidOptionError as exc:
            return [checks.Error(str(exc), obj=self, id="pgvec.E002")]
        return []

    def _check_source(self) -> list[Any]:
        known = {field.name for field in self.model._meta.get_fields()}
        return [
            checks.Error(
                f"The embedding is made from {name!r}, which is no field of {self.model.__name__}.",
                hint="Name fields of the same model in source=.",
                obj=self,
                id="pgvec.E003",
            )
            for name in self.source
            if name not in known
        ]

    def _check_embedder(self) -> list[Any]:
        if self.embedder is None or (self.embedder and self.source):
            return []
        return [
            checks.Error(
                f"The embedder {self.embedder!r} has nothing to embed: the embedding follows no field."
                if self.embedder
                else "embedder='' names no embedder.",
                hint='Declare both, as in EmbeddingField(384, source=("title",), embedder="minilm").',
                obj=self,
                id="pgvec.E006",
            )
        ]


def describe_field(field: Any) -> VectorColumn | None:
    """Describe a field of pgvec or of pgvector-python, without its indexes; None where it holds no vectors."""
    if isinstance(field, EmbeddingField):
        return field.described
    for kind, fields in _FIELDS.items():
        if isinstance(field, fields):
            dimensions = field.length if kind is VectorType.BIT else field.dimensions
            return VectorColumn(attribute=field.attname, name=field.column, type=kind, dimensions=dimensions)
    return None


_FIELDS: dict[VectorType, Any] = {
    VectorType.VECTOR: VectorField,
    VectorType.HALFVEC: HalfVectorField,
    VectorType.SPARSEVEC: SparseVectorField,
    VectorType.BIT: BitField,
}


def _parsed(text: str, kind: VectorType) -> Any:
    """Read a vector from its text.

    Raises:
        ValueError: It is none.
    """
    match kind:
        case VectorType.BIT:
            return text
        case VectorType.SPARSEVEC:
            try:
                return SparseVector.from_text(text)
            except (IndexError, TypeError) as exc:
                raise ValueError(f"{text[:40]!r} is not of the form {{1:0.5}}/3") from exc
        case _:
            return json.loads(text)
