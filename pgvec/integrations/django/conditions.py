"""Turns the condition of a queryset into a condition on the target's rows.

Django compiles it, joins and all; what comes out is carried into the statement piece by piece: texts that Django wrote, columns
of the target, and values as bound parameters. Nothing of a value ever becomes text, and the texts alone tell one statement from
another, so a statement is compiled once for each shape of condition.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db.models.sql.where import AND, WhereNode
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal

from pgvec.integrations.django.reading import plain_types, table_of
from pgvec.model import Predicate, Target

__all__ = ["DjangoCondition", "condition_of"]


class DjangoCondition(sa.ColumnElement[bool]):
    """A boolean expression that Django wrote.

    Attributes:
        texts: SQL as Django writes it for psycopg (a percent sign is doubled), one text more than there are parts.
        parts: What stands between the texts: columns and bound values.
    """

    __visit_name__ = "pgvec_django_condition"
    _traverse_internals = [
        ("texts", InternalTraversal.dp_plain_obj),
        ("parts", InternalTraversal.dp_clauseelement_list),
    ]
    type = sa.Boolean()

    def __init__(self, texts: Sequence[str], parts: Sequence[sa.ColumnElement[Any]]) -> None:
        self.texts = tuple(texts)
        self.parts = list(parts)

    def self_group(self, against: Any = None) -> DjangoCondition:  # noqa: ARG002 - SQLAlchemy's signature
        """Return itself: it stands in parentheses already."""
        return self


@compiles(DjangoCondition)
def _compile(element: DjangoCondition, compiler: Any, **options: Any) -> str:
    written = [element.texts[0]]
    for part, text in zip(element.parts, element.texts[1:], strict=True):
        written += [compiler.process(part, **options), text]
    return f"({''.join(written)})"


def condition_of(queryset: Any, target: Target, using: str) -> Predicate | bool:
    """Return the condition of a queryset, or whether it holds for every row or for none.

    A condition on the target's own columns stays as it is. Whatever needs more (joins, aggregates, DISTINCT, a parent's table)
    becomes ``key IN (SELECT ...)``, so that rows never multiply.
    """
    query = queryset.query.clone()
    query.clear_ordering(force=True)
    try:
        if _is_plain(query, target):
            return _plain(query, target, using)
        return _subquery(queryset, query, target, using)
    except EmptyResultSet:
        return False
    except FullResultSet:
        return True


def _is_plain(query: Any, target: Target) -> bool:
    """Whether the condition speaks of the target's table alone, and each of its parts can stand in a WHERE."""
    alias = query.get_initial_alias()
    used = [name for name, count in query.alias_refcount.items() if count]
    own = query.alias_map[alias].table_name == query.model._meta.db_table
    return (
        own
        and used in ([], [alias])
        and table_of(query.model) is target.entity
        and not (query.distinct or query.extra_tables or query.combinator)
        and query.group_by is None
        and not query.where.contains_aggregate
        and not query.where.contains_over_clause
    )


def _plain(query: Any, target: Target, using: str) -> Predicate | bool:
    """Return the parts that all have to hold, each as SQLAlchemy's own expression where it is a simple comparison."""
    compiler = query.get_compiler(using=using)
    alias = compiler.connection.ops.quote_name(query.get_initial_alias())
    parts = []
    for condition in _conjuncts(query.where):
        try:
            sql, values = compiler.compile(condition)
        except FullResultSet:
            continue
        if sql:
            parts.append(_expression(*_split(sql, values, target, alias), plain_types(query.model, using)))
    return Predicate(sa.and_(*parts)) if parts else True


def _conjuncts(where: Any) -> Iterator[Any]:
    """Yield the conditions that all have to hold."""
    if not isinstance(where, WhereNode) or where.negated or where.connector != AND:
        yield where
        return
    for child in where.children:
        yield from _conjuncts(child)


def _expression(texts: list[str], parts: list[Any], plain: frozenset[str]) -> sa.ColumnElement[bool]:
    """Return a comparison of a column with values as SQLAlchemy's own, which is read for the choice of a plan.

    Args:
        texts: What Django wrote between the parts.
        parts: Columns and values.
        plain: Names of the columns for which a list of values may travel as one array.
    """
    columns = [part for part in parts if isinstance(part, sa.Column)]
    if len(columns) == 1 and parts[0] is columns[0]:
        column, *values = parts
        compare = _COMPARISONS.get(tuple(texts))
        if compare is not None:
            return compare(column, *values)
        # One shape for lists of any length, so that each length is not another statement.
        if texts[:2] == ["", " IN ("] and set(texts[2:-1]) <= {", "} and texts[-1] == ")" and column.name in plain:
            listed = sa.bindparam(None, [value.value for value in values], unique=True, type_=_UNTYPED)
            one_of: sa.ColumnElement[bool] = column == sa.any_(listed)
            return one_of
    return DjangoCondition(texts, parts)


# What Django writes between a column and a value; a boolean column stands alone.
_COMPARISONS: dict[tuple[str, ...], Callable[..., sa.ColumnElement[bool]]] = {
    ("", " = ", ""): operator.eq,
    ("", " < ", ""): operator.lt,
    ("", " <= ", ""): operator.le,
    ("", " > ", ""): operator.gt,
    ("", " >= ", ""): operator.ge,
    ("", " BETWEEN ", " AND ", ""): lambda column, low, high: sa.and_(column >= low, column <= high),
    ("", " IS NULL"): lambda column: column.is_(None),
    ("", " IS NOT NULL"): lambda column: column.is_not(None),
    ("", ""): lambda column: column == sa.true(),
    ("NOT ", ""): lambda column: column == sa.false(),
}


def _subquery(queryset: Any, query: Any, target: Target, using: str) -> Predicate:
    inner = queryset._chain()
    inner.query = query
    owner = next(model for model in _line(query.model) if table_of(model) is target.entity)
    paths = [_path(query.model, owner, name) for name in target.key]
    sql, values = inner.values_list(*paths).query.get_compiler(using=using).as_sql()
    texts, parts = _split(sql, values, target, None)
    keys = [target.entity.c[name] for name in target.key]
    opening = ["(", *([", "] * (len(keys) - 1)), f") IN ({texts[0]}"]
    written = [*opening, *texts[1:]]
    written[-1] += ")"
    return Predicate(DjangoCondition(written, [*keys, *parts]))


def _line(model: Any) -> Iterator[Any]:
    """Yield a model and the models whose tables its records have rows in."""
    yield model._meta.concrete_model
    yield from model._meta.get_parent_list()


def _path(model: Any, owner: Any, name: str) -> str:
    """Name the key of the owner's table as a field of the model that is asked."""
    return name if owner is model._meta.concrete_model else owner._meta.get_field(name).name


def _split(
    sql: str, values: Sequence[Any], target: Target, alias: str | None
) -> tuple[list[str], list[sa.ColumnElement[Any]]]:
    """Split Django's SQL at its placeholders and, given the alias of the target's table, at the columns of the target."""
    columns = {column.name: column for column in target.entity.c}
    own = r"(?!)()" if alias is None else rf'{re.escape(alias)}\."((?:[^"]|"")+)"'
    waiting = iter(values)
    texts, parts = [""], []
    position = 0
    for found in re.finditer(rf"%%|%s|{own}", sql):
        column = columns.get(found[1].replace('""', '"')) if found[1] else None
        if found[0] == "%%" or (found[1] and column is None):
            continue
        texts[-1] += sql[position : found.start()]
        position = found.end()
        parts.append(column if column is not None else sa.bindparam(None, next(waiting), unique=True, type_=_UNTYPED))
        texts.append("")
    texts[-1] += sql[position:]
    return texts, parts


_UNTYPED = sa.types.NullType()
"""The driver decides how to send a value, as it does for Django."""
