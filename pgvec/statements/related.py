"""Conditions on related models, told so that they filter rows of the target and never multiply them.

A condition that names another table would join it without a condition. Here it becomes ``EXISTS`` along the one relationship
that leads there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InspectionAttr, Mapper, RelationshipProperty
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BooleanClauseList, ClauseElement, Grouping
from sqlalchemy.sql.selectable import SelectBase

from pgvec.errors import InvalidFilterError
from pgvec.model import Target
from pgvec.model.filter_operands import shown
from pgvec.statements.plan import own_tables
from pgvec.statements.value_lists import with_arrays

__all__ = ["named_tables", "on_target"]


# Structures of conditions that speak of their target alone.
_own_alone: set[Any] = set()
_REMEMBERED = 10_000


def on_target(target: Target, condition: object) -> sa.ColumnElement[bool]:
    """Return a boolean SQLAlchemy expression as a condition on the rows of the target.

    What speaks of the target alone, and whatever stands in a subquery, stays as it is. A condition on a model that one
    relationship leads to means: there is a related record for which it holds. Conditions joined with ``&`` speak of the same
    related record, as in a join.

    Raises:
        InvalidFilterError: If it is no boolean expression, or no or more than one relationship leads to what it names.
    """
    expression = _boolean(condition)
    # Looking for related models costs more than a small search; whether there are any, the structure tells.
    key = expression._generate_cache_key()  # noqa: SLF001 - SQLAlchemy's own sign of equal structure
    known = None if key is None else (target, key.key)
    if known in _own_alone:
        return expression
    rewritten = with_arrays(_Rewriter(target).rewrite(expression))
    if known is not None and rewritten is expression and len(_own_alone) < _REMEMBERED:
        _own_alone.add(known)
    return rewritten


def _boolean(condition: object) -> sa.ColumnElement[bool]:
    element = condition
    if not isinstance(condition, sa.ColumnElement):
        if isinstance(condition, InspectionAttr) and isinstance(
            getattr(condition, "property", None), RelationshipProperty
        ):
            raise InvalidFilterError(
                f"{condition} is a relationship, not a condition: use its method has(...) or any(...)"
            )
        element = condition.__clause_element__() if hasattr(condition, "__clause_element__") else condition
    if not isinstance(element, sa.ColumnElement):
        raise InvalidFilterError(
            f"a filter is an object of the filter language or a SQLAlchemy expression, not {shown(condition)}, a "
            f"{type(condition).__name__}"
        )
    if not _is_boolean(element):
        raise InvalidFilterError(
            f"the expression {shown(str(element))} is {element.type!r}, not boolean: compare it with something, or say that it is "
            "(column.bool_op(...), type_=Boolean)"
        )
    return element


def _is_boolean(element: sa.ColumnElement[Any]) -> bool:
    # The negation of an AND or OR has no type of its own in SQLAlchemy.
    inner: Any = element
    while isinstance(inner, Grouping) or (isinstance(inner, sa.UnaryExpression) and inner.operator is operators.inv):
        inner = inner.element
    return isinstance(inner.type, sa.Boolean)


class _Rewriter:
    """Puts the parts of one expression that speak of related models into EXISTS."""

    def __init__(self, target: Target) -> None:
        self.target = target
        is_table = isinstance(target.entity, sa.Table)
        self.mapper: Mapper[Any] | None = None if is_table else sa.inspect(target.entity)
        self.own = own_tables(target)

    def rewrite(self, expression: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        """Return the expression with every related part in EXISTS."""
        related = self._relationships(expression)
        if not related:
            return expression
        inner = expression.element if isinstance(expression, Grouping) else expression
        if isinstance(inner, BooleanClauseList) and inner.operator is operators.or_:
            return sa.or_(*(self.rewrite(clause) for clause in inner.clauses))
        if isinstance(inner, BooleanClauseList) and inner.operator is operators.and_:
            return sa.and_(*self._joined(list(inner.clauses)))
        return self._exists(related, expression)

    def _joined(self, clauses: list[sa.ColumnElement[bool]]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the clauses of an AND: those that need the same related records together, the others one by one."""
        groups: list[tuple[frozenset[str], list[sa.ColumnElement[bool]]]] = []
        for clause in clauses:
            needed = self._needed(clause)
            if not needed:
                yield self.rewrite(clause)
                continue
            touching = [group for group in groups if group[0] & needed]
            groups = [group for group in groups if not group[0] & needed]
            names = needed.union(*(group[0] for group in touching))
            groups.append((names, [*(part for group in touching for part in group[1]), clause]))
        for names, parts in groups:
            yield self.rewrite(parts[0]) if len(parts) == 1 else self._exists(names, sa.and_(*parts))

    def _needed(self, clause: sa.ColumnElement[bool]) -> frozenset[str]:
        """Return the relationships without which a clause cannot hold."""
        inner = clause.element if isinstance(clause, Grouping) else clause
        if isinstance(inner, BooleanClauseList):
            needs = [self._needed(part) for part in inner.clauses]
            union = inner.operator is operators.and_ or all(needs)
            return frozenset().union(*needs) if union else frozenset()
        return self._relationships(clause)

    def _exists(self, names: frozenset[str], condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        assert self.mapper is not None
        relationships = self.mapper.relationships

        def within(inner: sa.ColumnElement[bool], name: str) -> sa.ColumnElement[bool]:
            attribute = getattr(self.target.entity, name)
            found: sa.ColumnElement[bool] = (
                attribute.any(inner) if relationships[name].uselist else attribute.has(inner)
            )
            return found

        return reduce(within, sorted(names), condition)

    def _relationships(self, expression: ClauseElement) -> frozenset[str]:
        """Return the names of the relationships to the other tables that an expression names."""
        return frozenset(self._relationship(table) for table in named_tables(expression) if table not in self.own)

    def _relationship(self, table: Any) -> str:
        name = table.element.description if isinstance(table, sa.Alias) else table.description
        if self.mapper is None:
            raise InvalidFilterError(
                f"the condition names {name!r}, but the target is the table {self.target.name}, which has no relationships: use "
                "exists(...) or in_(select(...))"
            )
        leading = [found.key for found in self.mapper.relationships if table in found.mapper.tables]
        if len(leading) == 1:
            return leading[0]
        entity = self.target.entity.__name__
        if not leading:
            raise InvalidFilterError(
                f"the condition names {name!r}, but no relationship of {entity} leads there: use a relationship "
                f"({entity}.<relationship>.has(...) or .any(...)), exists(...) or in_(select(...))"
            )
        ways = " or ".join(
            f"{entity}.{key}.{'any' if self.mapper.relationships[key].uselist else 'has'}(...)"
            for key in sorted(leading)
        )
        raise InvalidFilterError(
            f"the condition names {name!r}, and several relationships of {entity} lead there: use {ways}"
        )


def named_tables(expression: ClauseElement) -> set[Any]:
    """Return the tables whose columns an expression names outside of subqueries."""
    tables = set()
    waiting: list[Any] = [expression]
    while waiting:
        element = waiting.pop()
        if isinstance(element, SelectBase):
            continue
        if isinstance(element, sa.ColumnClause) and element.table is not None:
            tables.add(element.table)
        waiting.extend(element.get_children())
    return tables
