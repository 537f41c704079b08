"""Read what pgvec needs to know of a Django model."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import pgvector.django
import sqlalchemy as sa
from django.db import connections
from django.db.models.functions import Cast
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.types import UserDefinedType

from pgvec.errors import AmbiguousColumnError, MappingError, NotAnEmbeddingColumnError
from pgvec.integrations.django.fields import describe_field
from pgvec.model import Distance, IndexMethod, Target, VectorColumn, VectorIndex, VectorType
from pgvec.orm.rules import QUANTIZATIONS, SERVED_BY_BITS, check_distance, choose

__all__ = [
    "declared_index",
    "indexes_on",
    "plain_types",
    "read_model",
    "shown_column",
    "table_of",
    "vector_columns",
    "vector_fields",
]

_DISTANCES = {distance.operator_class_suffix: distance for distance in Distance}
_OPERATOR_CLASS = re.compile(rf"({'|'.join(VectorType)})_({'|'.join(_DISTANCES)})")
# Projects name a table in another schema by writing the quotes themselves: 'app"."article'.
_WITH_SCHEMA = re.compile(r'"?([^"]+)"\."([^"]+)"?')

_PLAIN = re.compile(
    r"(small|big)?(int|integer|serial)|text|varchar(\(\d+\))?|uuid|date|timestamp with(out)? time zone|boolean|numeric.*"
)

_plain: WeakKeyDictionary[Any, dict[str, frozenset[str]]] = WeakKeyDictionary()
_tables: WeakKeyDictionary[Any, sa.Table] = WeakKeyDictionary()
_targets: WeakKeyDictionary[Any, dict[tuple[str | None, str | None], Target]] = WeakKeyDictionary()


def read_model(model: Any, *, column: str | None = None, distance: Distance | str | None = None) -> Target:
    """Read what is searched from a Django model; once for each model, column and distance.

    Args:
        model: The model class. Of a model that inherits from another one's table, the table with the column is searched.
        column: Name of the embedding field. None where there is only one.
        distance: The distance to search by. None takes it from the field, else from its vector indexes.

    Raises:
        MappingError: It is no model with a table.
        NotAnEmbeddingColumnError: It has no such embedding field.
        AmbiguousColumnError: It has several, or nothing tells the distance.
        InvalidOptionError: There is no such distance, or not for the type of the column.
    """
    key = (column, None if distance is None else str(distance))
    known = _targets.setdefault(model, {})
    if key not in known:
        known[key] = _read(model, column, distance)
    return known[key]


def vector_columns(model: Any) -> dict[str, VectorColumn]:
    """Return the vector columns of a model by the names of their fields."""
    found = {field.attname: describe_field(field) for field in model._meta.concrete_fields}
    return {name: column for name, column in found.items() if column is not None}


def vector_fields(model: Any) -> list[Any]:
    """Return the fields of a model that hold vectors."""
    return [field for field in model._meta.concrete_fields if describe_field(field) is not None]


def table_of(model: Any) -> sa.Table:
    """Return the table of a model, with its own columns.

    The columns have no types, so that values come and go as Django's own fields bring them; those of the key only a name for
    casts.
    """
    model = model._meta.concrete_model
    if model not in _tables:
        given = _WITH_SCHEMA.fullmatch(model._meta.db_table)
        schema, name = given.groups() if given else (None, model._meta.db_table.strip('"'))
        _tables[model] = sa.Table(
            quoted_name(name, quote=True),
            sa.MetaData(),
            *(_column(field, is_key=field in _key(model)) for field in model._meta.local_concrete_fields),
            schema=schema and quoted_name(schema, quote=True),
        )
    return _tables[model]


class _KeyType(UserDefinedType[Any]):
    """The type of a key column, for casts alone: of keys that come as text, and of lists of keys."""

    cache_ok = True

    def __init__(self, field: Any) -> None:
        self.field = field

    def get_col_spec(self, **_kw: Any) -> str:
        """Name the type, as any connection to PostgreSQL names it."""
        connection = next(one for one in connections.all() if one.vendor == "postgresql")
        # Not db_type: that of an automatic key is one for CREATE TABLE alone.
        return str(self.field.rel_db_type(connection))


def _column(field: Any, *, is_key: bool) -> sa.Column[Any]:
    name = quoted_name(field.column, quote=True)
    return sa.Column(name, _KeyType(field) if is_key else None, key=field.attname, primary_key=is_key)


def plain_types(model: Any, using: str) -> frozenset[str]:
    """Return the names of the columns whose types compare an array of values as they compare each value.

    A type such as ``citext`` does not: an array of texts would be compared as texts.
    """
    owner = model._meta.concrete_model  # a proxy has no fields of its own
    known = _plain.setdefault(owner, {})
    if using not in known:
        types = ((field, field.db_type(connections[using]) or "") for field in owner._meta.local_concrete_fields)
        known[using] = frozenset(field.column for field, kind in types if _PLAIN.fullmatch(kind))
    return known[using]


def shown_column(target_model: Any, field: Any) -> Any:
    """Return a field as a column of the target's table, or where a parent or child model has it, as a subquery by the key."""
    table, owner = table_of(target_model), field.model._meta.concrete_model
    if owner is target_model._meta.concrete_model:
        return table.c[field.attname]
    other = table_of(owner)
    same = (
        theirs == ours
        for theirs, ours in zip(_key_columns(owner, other), _key_columns(target_model, table), strict=True)
    )
    return sa.select(other.c[field.attname]).where(*same).correlate(table).scalar_subquery().label(field.attname)


def indexes_on(field: Any) -> list[tuple[Any, VectorIndex]]:
    """Return the vector indexes that the model of a field declares on it, beside what they are."""
    read = ((index, declared_index(index, field)) for index in field.model._meta.indexes)
    return [(index, known) for index, known in read if known is not None]


def declared_index(index: Any, field: Any) -> VectorIndex | None:
    """Return what an index of pgvec or of pgvector-python holds of a field, or None where it is another index."""
    column = describe_field(field)
    method = _method(index)
    if method is None or column is None:
        return None
    if len(index.fields) == 1 and index.fields[0].lstrip("-") == field.name:
        quantization = getattr(index, "quantization", None)
        stored = column.type if quantization is None else VectorType(quantization)
        name, dimensions = next(iter(index.opclasses), ""), getattr(index, "dimensions", None)
    else:
        stored, name = _expression(index, field)  # type: ignore[assignment]
        dimensions = None
    if stored is None:
        return None
    served = _OPERATOR_CLASS.search(name)
    if served is None and (method is IndexMethod.HNSW or stored is not VectorType.VECTOR):
        return None  # only ivfflat has a default operator class, and only for vector
    return VectorIndex(
        name=index.name,
        method=method,
        distance=Distance.L2 if served is None else _DISTANCES[served[2]],
        quantization=None if stored is column.type else stored,
        dimensions=dimensions,
        partial=index.condition is not None,
    )


def _method(index: Any) -> IndexMethod | None:
    if isinstance(index, pgvector.django.HnswIndex):
        return IndexMethod.HNSW
    return IndexMethod.IVFFLAT if isinstance(index, pgvector.django.IvfflatIndex) else None


def _expression(index: Any, field: Any) -> tuple[VectorType | None, str]:
    """Read ``OpClass(Cast("embedding", HalfVectorField(dimensions=3)), name="halfvec_l2_ops")``, as pgvector-python documents it."""
    if len(index.expressions) != 1:
        return None, ""
    (expression,) = index.expressions
    name = expression.extra.get("name", "") if type(expression).__name__ == "OpClass" else ""
    inner = expression.get_source_expressions()[0] if name else expression
    if isinstance(inner, Cast) and isinstance(inner.output_field, pgvector.django.HalfVectorField):
        (inner,) = inner.get_source_expressions()
        kind: VectorType | None = VectorType.HALFVEC
    else:
        column = describe_field(field)
        kind = None if column is None else column.type
    return (kind, name) if getattr(inner, "name", None) == field.name else (None, "")


def _read(model: Any, column: str | None, distance: Distance | str | None) -> Target:
    options = getattr(model, "_meta", None)
    if options is None or options.abstract or options.swapped:
        raise MappingError(f"{model!r} is no Django model with a table of its own: give a concrete model")
    chosen = _choose(model, vector_columns(model), column)
    field = next(field for field in options.concrete_fields if field.attname == chosen.attribute)
    owner = field.model._meta.concrete_model
    declared = [index for _, index in indexes_on(field) if index.quantization in (None, *QUANTIZATIONS[chosen.type])]
    searched_by = _choose_distance(model, chosen, declared, distance)
    return Target(
        entity=table_of(owner),
        name=model.__name__,
        key=tuple(part.attname for part in _key(owner)),
        column=replace(chosen, indexes=tuple(sorted((_serving(index, searched_by) for index in declared), key=_rank))),
        distance=searched_by,
        embeddings=tuple(vector_columns(owner)),
    )


def _key(model: Any) -> tuple[Any, ...]:
    """Return the fields of the primary key: several from Django 5.2 on."""
    return tuple(getattr(model._meta, "pk_fields", None) or (model._meta.pk,))


def _key_columns(model: Any, table: sa.Table) -> list[Any]:
    return [table.c[part.attname] for part in _key(model._meta.concrete_model)]


def _choose(model: Any, columns: dict[str, VectorColumn], name: str | None) -> VectorColumn:
    having = (
        f"it has {', '.join(map(repr, columns))}" if columns else "it has none; declare one with EmbeddingField(...)"
    )
    if name is not None:
        if name not in columns:
            raise NotAnEmbeddingColumnError(f"{name!r} is no embedding field of {model.__name__}: {having}")
        return columns[name]
    if not columns:
        raise NotAnEmbeddingColumnError(
            f"{model.__name__} has no embedding field: declare one with EmbeddingField(...)"
        )
    if len(columns) > 1:
        raise AmbiguousColumnError(f"{model.__name__} has several embedding fields, {', '.join(columns)}: give column=")
    return next(iter(columns.values()))


def _choose_distance(
    model: Any, column: VectorColumn, indexes: list[VectorIndex], distance: Distance | str | None
) -> Distance:
    if distance is not None:
        chosen = choose(Distance, distance, "distance")
        check_distance(column.type, chosen)
        return chosen
    if column.distance is not None:
        return column.distance
    declared = {index.distance for index in indexes if index.quantization is not VectorType.BIT}
    if len(declared) == 1:
        return next(iter(declared))
    found = f"its indexes serve {', '.join(sorted(declared))}" if declared else "no vector index on it tells one"
    raise AmbiguousColumnError(
        f"by which distance should {model.__name__}.{column.attribute} be searched? The field says nothing, and {found}: "
        "give distance=, or declare an EmbeddingField(..., distance=...)"
    )


def _serving(index: VectorIndex, distance: Distance) -> VectorIndex:
    """Return the index as one of the distance that is searched by, where it holds signs, which tell something of most."""
    by_bits = index.quantization is VectorType.BIT and distance in SERVED_BY_BITS
    return replace(index, distance=distance) if by_bits else index


def _rank(index: VectorIndex) -> tuple[bool, int, bool, str]:
    coarseness = (None, VectorType.HALFVEC, VectorType.BIT).index(index.quantization)
    return index.dimensions is not None, coarseness, index.method is IndexMethod.IVFFLAT, index.name or ""
