"""Finds the column, or the JSON value below one, that a key of a filter names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.hybrid import HybridExtensionType
from sqlalchemy.orm import Mapper

from pgvec.errors import InvalidFilterError
from pgvec.model import Target
from pgvec.model.filter_operands import shown
from pgvec.statements.filter_types import postgres_type

__all__ = ["Field", "find_field"]

_MOST_NAMES_SHOWN = 30
_NAMES: WeakKeyDictionary[Any, dict[str, list[str]]] = WeakKeyDictionary()
"""Mapper or table -> name in a filter -> attributes that it may mean."""


@dataclass(frozen=True, slots=True)
class Field:
    """What a key of a filter names.

    Attributes:
        key: The key, for messages.
        column: The column or SQL expression.
        json_path: The keys below the column; empty for the column itself.
        embedding: Whether the column holds embeddings.
    """

    key: str
    column: sa.ColumnElement[Any]
    json_path: tuple[str, ...] = ()
    embedding: bool = False


def find_field(target: Target, path: tuple[str, ...]) -> Field:
    """Return what a path names: first by attribute, or by column of the table where no attribute is called so.

    Raises:
        InvalidFilterError: If nothing or more than one thing is called so, or a path leads into a column without JSON.
    """
    key = ".".join(path)
    name, *below = path
    attributes = _meanings(target.entity, name)
    if not attributes:
        raise _unknown(target, name)
    if len(attributes) > 1:
        raise InvalidFilterError(
            f"the key {shown(name)} is ambiguous: the attribute {attributes[0]!r} and the column of the attribute "
            f"{attributes[1]!r} are called so; use a SQLAlchemy expression",
            key=key,
        )
    column = _expression(target, attributes[0])
    if below and not isinstance(postgres_type(column.type), JSONB):
        raise InvalidFilterError(
            f"the key {shown(key)} leads into {attributes[0]!r}, which is {column.type!r}: only jsonb columns have keys below "
            "them",
            key=key,
        )
    return Field(key, column, tuple(below), attributes[0] in target.embeddings)


def _meanings(entity: Any, name: str) -> list[str]:
    """Return the attributes that a name may mean."""
    source = sa.inspect(entity)
    names = _NAMES.get(source)
    if names is None or name not in names:  # a model may gain attributes after its declaration
        names = _NAMES[source] = _table_names(source) if isinstance(source, sa.Table) else _mapped_names(source)
    return names.get(name, [])


def _table_names(table: sa.Table) -> dict[str, list[str]]:
    names = {column.key: [column.key] for column in table.columns}
    for column in table.columns:
        _add(names, column.name, column.key)
    return names


def _mapped_names(mapper: Mapper[Any]) -> dict[str, list[str]]:
    """Return what may be said in a filter: name -> attributes that it may mean."""
    names = {key: [key] for key in mapper.column_attrs.keys()}  # noqa: SIM118 - iterating gives the attributes
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        if isinstance(column, sa.Column):
            _add(names, column.name, attribute.key)
    # A synonym or hybrid that is called like the column behind it is there to stand before it.
    names.update((key, [synonym.name]) for key, synonym in mapper.synonyms.items())
    for key, descriptor in mapper.all_orm_descriptors.items():
        if descriptor.extension_type is HybridExtensionType.HYBRID_PROPERTY:
            names[key] = [key]
    return names


def _add(names: dict[str, list[str]], name: str, attribute: str) -> None:
    meanings = names.setdefault(name, [])
    if attribute not in meanings:
        meanings.append(attribute)


def _expression(target: Target, attribute: str) -> sa.ColumnElement[Any]:
    if isinstance(target.entity, sa.Table):
        column: sa.ColumnElement[Any] = target.entity.columns[attribute]
        return column
    try:
        found = getattr(target.entity, attribute)
        element: object = found.__clause_element__() if hasattr(found, "__clause_element__") else found
    except Exception as exc:  # a hybrid runs the user's code, which may fit instances only
        raise InvalidFilterError(f"{attribute!r} of {target.name} is not usable in SQL: {exc}", key=attribute) from exc
    if not isinstance(element, sa.ColumnElement):
        raise InvalidFilterError(f"{attribute!r} of {target.name} is not a SQL expression", key=attribute)
    return element


def _unknown(target: Target, name: str) -> InvalidFilterError:
    source = sa.inspect(target.entity)
    if isinstance(source, Mapper) and name in source.relationships:
        entity = target.entity.__name__
        test = "any" if source.relationships[name].uselist else "has"
        return InvalidFilterError(
            f"{name!r} is a relationship: filter with the SQLAlchemy expression {entity}.{name}.{test}(...)", key=name
        )
    known = sorted(_NAMES[source])
    listed = ", ".join(known[:_MOST_NAMES_SHOWN]) + (", ..." if len(known) > _MOST_NAMES_SHOWN else "")
    return InvalidFilterError(f"{target.name} has no column {shown(name)}; known are {listed}", key=name)
