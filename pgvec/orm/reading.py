"""Read what pgvec needs to know of a mapped class or a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Mapper

from pgvec.errors import AmbiguousColumnError, MappingError, NotAnEmbeddingColumnError
from pgvec.model import Distance, Target, VectorColumn
from pgvec.orm.column_types import describe_type, find_embedding
from pgvec.orm.declared_indexes import declared_distances, declared_indexes
from pgvec.orm.rules import check_distance, choose

__all__ = ["read_columns", "read_target"]

_Entity: TypeAlias = type[object] | sa.Table
_NamedColumn: TypeAlias = str | sa.Column[Any] | InstrumentedAttribute[Any]


def read_target(
    entity: _Entity, *, column: _NamedColumn | None = None, distance: Distance | str | None = None
) -> Target:
    """Read what is searched from a mapped class or a table.

    Args:
        entity: A mapped class (declarative, imperative, dataclass or SQLModel) or a table.
        column: The vector column: its attribute name, the attribute, or the column. None where there is only one.
        distance: The distance to search by. None takes it from the column's type, else from its vector indexes.

    Raises:
        MappingError: The entity is neither, or has no primary key.
        NotAnEmbeddingColumnError: It has no such vector column.
        AmbiguousColumnError: It has several, or nothing tells the distance.
        InvalidOptionError: There is no such distance, or not for the type of the column.
    """
    read = _read(entity)
    vectors = _vectors(read)
    chosen = vectors[_choose_column(read, vectors, column)]
    element = read.columns[chosen.attribute]
    searched_by = _choose_distance(read, element, chosen, distance)
    return Target(
        entity=read.entity,
        name=element.table.fullname,
        key=read.key,
        column=replace(chosen, indexes=declared_indexes(element, chosen, searched_by)),
        distance=searched_by,
        embeddings=tuple(vectors),
    )


def read_columns(entity: _Entity) -> tuple[VectorColumn, ...]:
    """Read the vector columns of a mapped class or a table, without their indexes.

    Raises:
        MappingError: The entity is neither, or has no primary key.
    """
    return tuple(_vectors(_read(entity)).values())


@dataclass(frozen=True, slots=True)
class _Read:
    """An entity's columns under the names that it has for them, and the names of its primary key."""

    entity: Any
    name: str
    columns: Mapping[str, sa.Column[Any]]
    key: tuple[str, ...]

    def attribute_of(self, column: Any) -> str | None:
        """Return the name for a column, or None where it is another entity's."""
        return next((name for name, own in self.columns.items() if own is column), None)


def _read(entity: _Entity) -> _Read:
    return _read_table(entity) if isinstance(entity, sa.Table) else _read_class(entity)


def _vectors(read: _Read) -> dict[str, VectorColumn]:
    """Return the vector columns by attribute name."""
    return {
        attribute: found
        for attribute, declared in read.columns.items()
        if (found := describe_type(declared.type, attribute, declared.name)) is not None
    }


def _read_table(table: sa.Table) -> _Read:
    key = tuple(column.key for column in table.primary_key)
    if not key:
        raise MappingError(
            f"the table {table.fullname!r} has no primary key: pgvec tells rows apart by it; declare one"
        )
    return _Read(table, table.fullname, dict(table.c), key)


def _read_class(entity: Any) -> _Read:
    inspected = sa.inspect(entity, raiseerr=False)
    if getattr(inspected, "is_aliased_class", False):
        raise MappingError(
            f"{entity!r} is an alias: give the class itself, and join the alias in a condition if needed"
        )
    if not isinstance(inspected, Mapper):
        raise MappingError(f"{_describe(entity)} is not mapped: give a mapped class or a Table{_hint(entity)}")
    columns = {
        attribute.key: attribute.columns[0]
        for attribute in inspected.column_attrs
        if isinstance(attribute.columns[0], sa.Column) and isinstance(attribute.columns[0].table, sa.Table)
    }
    for attribute, column in columns.items():
        _check_source(inspected, attribute, column)
    key = tuple(inspected.get_property_by_column(column).key for column in inspected.primary_key)
    return _Read(inspected.class_, inspected.class_.__name__, columns, key)


def _check_source(mapper: Mapper[Any], attribute: str, column: sa.Column[Any]) -> None:
    embedding = find_embedding(column.type)
    for name in (embedding.source or ()) if embedding is not None else ():
        if name not in mapper.all_orm_descriptors:
            raise MappingError(
                f"{mapper.class_.__name__}.{attribute} is made from {name!r}, which is no attribute of the class: name "
                "attributes in source="
            )


def _describe(entity: object) -> str:
    return (
        f"the class {entity.__name__!r}" if isinstance(entity, type) else f"an object of type {type(entity).__name__!r}"
    )


def _hint(entity: object) -> str:
    if isinstance(entity, type):
        return "; a SQLModel class is mapped with table=True" if hasattr(entity, "model_fields") else ""
    if sa.inspect(type(entity), raiseerr=False) is not None:
        return f", here {type(entity).__name__} instead of one of its records"
    return ""


def _choose_column(read: _Read, vectors: Mapping[str, VectorColumn], column: _NamedColumn | None) -> str:
    having = f"it has {', '.join(map(repr, vectors))}" if vectors else "it has none; declare one with Embedding(...)"
    if column is not None:
        name = _attribute_name(read, column)
        if name is None or name not in vectors:
            raise NotAnEmbeddingColumnError(f"{str(column)!r} is no vector column of {read.name!r}: {having}")
        return name
    if not vectors:
        raise NotAnEmbeddingColumnError(f"{read.name!r} has no vector column: declare one with Embedding(...)")
    if len(vectors) > 1:
        raise AmbiguousColumnError(
            f"{read.name!r} has several vector columns, {', '.join(map(repr, vectors))}: give column="
        )
    return next(iter(vectors))


def _attribute_name(read: _Read, column: object) -> str | None:
    if isinstance(column, str):
        return column
    if isinstance(column, InstrumentedAttribute):
        column = getattr(column.property, "columns", [None])[0]
    return read.attribute_of(column)


def _choose_distance(
    read: _Read, element: sa.Column[Any], column: VectorColumn, distance: Distance | str | None
) -> Distance:
    if distance is not None:
        chosen = choose(Distance, distance, "distance")
        check_distance(column.type, chosen)
        return chosen
    if column.distance is not None:
        return column.distance
    declared = declared_distances(element, column)
    if len(declared) == 1:
        return next(iter(declared))
    found = f"its indexes serve {', '.join(sorted(declared))}" if declared else "no vector index on it tells one"
    raise AmbiguousColumnError(
        f"by which distance should {read.name}.{column.attribute} be searched? Its type says nothing, and {found}: give "
        "distance=, or declare the column as Embedding(..., distance=...)"
    )
