"""Values that a caller names to order, group or count by: columns, expressions, and columns of the one related record."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, RelationshipProperty

from pgvec.errors import InvalidFilterError, InvalidOptionError
from pgvec.model import Target
from pgvec.orm.column_types import describe_type
from pgvec.statements.filter_fields import find_field
from pgvec.statements.plan import own_tables
from pgvec.statements.related import named_tables

__all__ = ["NamedValue", "named_value", "require_own"]

# Each part nests the expression once more.
_DEEPEST_PATH = 20


@dataclass(frozen=True, slots=True, eq=False)
class NamedValue:
    """A value of each row.

    Attributes:
        name: What it is called, or None where only an expression tells it.
        element: The expression. A column of a related model is read by a subquery, so that no row is multiplied.
        nullable: Whether it may be NULL.
    """

    name: str | None
    element: sa.ColumnElement[Any]
    nullable: bool


def named_value(target: Target, item: object, option: str) -> NamedValue:
    """Return the value that a caller means.

    Args:
        target: What is searched.
        item: A name (dots lead into JSON), an attribute or any SQL expression.
        option: The argument, for messages.

    Raises:
        InvalidOptionError: It is none of these, an embedding, or leads to another table in no or several ways.
    """
    if isinstance(item, str):
        return _by_name(target, item, option)
    element: Any = item.__clause_element__() if hasattr(item, "__clause_element__") else item
    if isinstance(getattr(item, "property", None), RelationshipProperty) or not isinstance(element, sa.ColumnElement):
        raise InvalidOptionError(f"{option}= takes columns, their names and expressions, not {item!r:.80}")
    name = getattr(item, "key", None) or getattr(element, "name", None)
    element = element.element if isinstance(element, sa.Label) else element
    _refuse_embedding(element, option, str(name))
    others = {table for table in named_tables(element) if table not in own_tables(target)}
    if others:
        element, nullable = _of_related(target, element, others, option), True
    else:
        nullable = not isinstance(element, sa.Column) or bool(element.nullable)
    return NamedValue(name if isinstance(name, str) else None, element, nullable)


def require_own(target: Target, element: sa.ColumnElement[Any], option: str) -> None:
    """Refuse a column of another table, which would join it without a condition and multiply the rows."""
    for table in named_tables(element):
        if table not in own_tables(target):
            raise InvalidOptionError(
                f"{option}= names a column of {_description(table)}, which is not {target.name}: read it in a scalar subquery, "
                "or ask whether it is so with <relationship>.has(...)"
            )


def _by_name(target: Target, name: str, option: str) -> NamedValue:
    try:
        field = find_field(target, tuple(name.split(".")))
    except InvalidFilterError as exc:
        raise InvalidOptionError(f"{option}= names {name!r:.80}: {exc}") from exc
    if field.embedding:
        raise _embedding(option, name)
    if len(field.json_path) > _DEEPEST_PATH:
        raise InvalidOptionError(
            f"{option}= names a path of {len(field.json_path)} parts: up to {_DEEPEST_PATH} are read"
        )
    element = reduce(lambda value, key: value[key], field.json_path, field.column)
    nullable = bool(field.json_path) or not isinstance(field.column, sa.Column) or bool(field.column.nullable)
    return NamedValue(name, element, nullable)


def _refuse_embedding(element: sa.ColumnElement[Any], option: str, name: str) -> None:
    if describe_type(element.type, name, name) is not None:
        raise _embedding(option, name)


def _embedding(option: str, name: str) -> InvalidOptionError:
    return InvalidOptionError(f"{option}= names {name!r:.80}, which holds embeddings: name another column")


def _of_related(target: Target, element: sa.ColumnElement[Any], others: set[Any], option: str) -> sa.ColumnElement[Any]:
    """Read an expression on a related model along the one relationship that leads to a single record of it."""
    listed = " and ".join(sorted(_description(table) for table in others))
    if isinstance(target.entity, sa.Table) or len(others) > 1 or named_tables(element) & own_tables(target):
        raise InvalidOptionError(
            f"{option}= names columns of {listed}: read them in a scalar subquery, select(...).where(...).scalar_subquery()"
        )
    mapper: Mapper[Any] = sa.inspect(target.entity)
    (table,) = others
    leading = [found for found in mapper.relationships if table in found.mapper.tables and not found.uselist]
    if len(leading) != 1:
        ways = ", ".join(sorted(found.key for found in leading)) or "none"
        raise InvalidOptionError(
            f"{option}= names a column of {listed}, to which one relationship of {target.name} to a single record has to "
            f"lead (it has: {ways}): read it in a scalar subquery, select(...).where(...).scalar_subquery()"
        )
    along = getattr(target.entity, leading[0].key)
    # Left to itself, SQLAlchemy would take the related table from the outer query too, where that has it.
    found = sa.select(element).where(along.__clause_element__()).correlate(*own_tables(target))
    return found.scalar_subquery()


def _description(table: Any) -> str:
    return repr(getattr(table, "fullname", None) or getattr(table, "name", None) or str(table))
