"""Reads index predicates and partition bounds as Postgres prints them, and tells whether a filter implies them.

Only what can be read for certain counts: a predicate that this module does not understand is never taken as implied, since a
search over too small an index would miss rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pgvec.model import Term
from pgvec.statements.conditions import Leaf

__all__ = ["implied", "read_terms", "term_condition"]

_NAME = r'(?:(?P<name>[a-z_][a-z0-9_$]*)|"(?P<quoted>(?:[^"]|"")+)")'
_CAST = r"(?:::[a-z0-9_ \"\.]+(?:\([0-9, ]+\))?(?:\[\])?)?"
_CONSTANT = r"(?:'(?:[^']|'')*'|-?[0-9]+(?:\.[0-9]+)?|true|false)"
# Any other cast of the column may round or cut what is compared.
_WIDENED = r"(?P<cast>::text|::numeric)?"
_COLUMN = rf"(?:\({_NAME}\)|{_NAME.replace('?P<name>', '?P<name2>').replace('?P<quoted>', '?P<quoted2>')}){_WIDENED}"
_COMPARISON = re.compile(rf"{_COLUMN} (?P<operator>=|<=|>=|<|>) \(?(?P<constant>{_CONSTANT})\)?{_CAST}")
_NULL_TEST = re.compile(rf"{_COLUMN} (?P<operator>IS NULL|IS NOT NULL)")
_LIST = re.compile(rf"{_COLUMN} = ANY \(\(?ARRAY\[(?P<list>(?:'(?:[^']|'')*'|[^'\]])*)\]{_CAST}\)?{_CAST}\)")
_LIST_ITEM = re.compile(rf"\(?(?P<constant>{_CONSTANT}){_CAST}\)?{_CAST}")
_BOOLEAN = re.compile(rf"(?P<not>NOT )?{_COLUMN}")
_ORDER = {
    "<": {("<", True), ("<=", False), ("=", False)},
    "<=": {("<", True), ("<=", True), ("=", True)},
    ">": {(">", True), (">=", False), ("=", False)},
    ">=": {(">", True), (">=", True), ("=", True)},
}


def read_terms(text: str) -> tuple[Term, ...] | None:
    """Return the terms of a predicate, all of which hold, or None where it says something else.

    Args:
        text: As ``pg_get_expr`` or ``pg_get_partition_constraintdef`` print it.
    """
    terms: list[Term] = []
    for part in _conjuncts(text):
        term = _read_term(part)
        if term is None:
            return None
        terms.append(term)
    return tuple(terms)


def implied(terms: Iterable[Term], leaves: Iterable[Leaf]) -> bool:
    """Tell whether a row that passes every one of the leaves has all of the terms."""
    known = tuple(leaves)
    return all(any(_implies(leaf, term) for leaf in known) for term in terms)


def term_condition(term: Term, column: Any) -> sa.ColumnElement[bool]:
    """Return a term as a condition with constants, so that Postgres finds the index it belongs to without knowing parameters.

    Args:
        term: What was read from the catalog.
        column: The column, as it is written in the statement.
    """
    match term.operator:
        case "is null":
            return column.is_(None)  # type: ignore[no-any-return]
        case "is not null":
            return column.is_not(None)  # type: ignore[no-any-return]
        case "in":
            return column.in_([_constant(value, term) for value in term.values])  # type: ignore[no-any-return]
        case _:
            return column.op(term.operator, is_comparison=True)(_constant(term.values[0], term))  # type: ignore[no-any-return]


def _constant(value: str, term: Term) -> sa.ColumnElement[Any]:
    text = "'" + value.replace("'", "''") + "'" if term.quoted else value
    return sa.literal_column(text)


def _conjuncts(text: str) -> list[str]:
    """Split at the ANDs that stand outside of quotes and parentheses, and take outer parentheses off."""
    text = _unwrapped(text.strip())
    parts, depth, quote, start, position = [], 0, "", 0, 0
    while position < len(text):
        character = text[position]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif depth == 0 and text.startswith(" AND ", position):
            parts.append(text[start:position])
            start = position + len(" AND ")
            position = start - 1
        position += 1
    parts.append(text[start:])
    return parts if len(parts) == 1 else [inner for part in parts for inner in _conjuncts(part)]


def _unwrapped(text: str) -> str:
    """Take off parentheses that enclose all of the text."""
    while text.startswith("(") and text.endswith(")"):
        depth, quote = 0, ""
        for position, character in enumerate(text):
            if quote:
                quote = "" if character == quote else quote
            elif character in "'\"":
                quote = character
            else:
                depth += {"(": 1, ")": -1}.get(character, 0)
            if depth == 0 and position < len(text) - 1:
                return text
        text = text[1:-1].strip()
    return text


def _read_term(part: str) -> Term | None:
    if found := _NULL_TEST.fullmatch(part):
        return Term(_column(found), found["operator"].lower())
    if found := _COMPARISON.fullmatch(part):
        value, quoted = _value(found["constant"])
        return Term(_column(found), found["operator"], (value,), quoted, _is_textual(found))
    if found := _LIST.fullmatch(part):
        return _read_list(found)
    if (found := _BOOLEAN.fullmatch(part)) and not found["cast"]:
        return Term(_column(found), "=", ("false" if found["not"] else "true",))
    return None


def _read_list(found: re.Match[str]) -> Term | None:
    items = [_LIST_ITEM.fullmatch(item.strip()) for item in _items(found["list"])]
    if not all(items):
        return None
    values = [_value(item["constant"]) for item in items if item is not None]
    if len({quoted for _, quoted in values}) != 1:
        return None
    return Term(_column(found), "in", tuple(value for value, _ in values), values[0][1], _is_textual(found))


def _items(text: str) -> list[str]:
    """Split a list at its commas, none of which stand in quotes."""
    return re.findall(r"(?:'(?:[^']|'')*'|[^,'])+", text)


def _column(found: re.Match[str]) -> str:
    name = found["name"] or found["name2"]
    return name or (found["quoted"] or found["quoted2"]).replace('""', '"')


def _is_textual(found: re.Match[str]) -> bool:
    return found["cast"] == "::text"


def _value(constant: str) -> tuple[str, bool]:
    return (constant[1:-1].replace("''", "'"), True) if constant.startswith("'") else (constant, False)


def _implies(leaf: Leaf, term: Term) -> bool:
    if leaf.column != term.column:
        return False
    if term.operator == "is not null":
        return leaf.operator in {"=", "<>", "<", "<=", ">", ">=", "in", "is not null"}
    if leaf.inexact or (term.textual and not all(isinstance(value, str) for value in leaf.values)):
        return False
    if term.operator == "is null" or leaf.operator == "is null":
        return term.operator == leaf.operator
    if term.operator in {"=", "in"}:
        return _is_one_of(leaf, term)
    return _is_within(leaf, term)


def _is_one_of(leaf: Leaf, term: Term) -> bool:
    if leaf.operator not in {"=", "in"} or not leaf.values:
        return False
    return all(any(_equal(value, constant) for constant in term.values) for value in leaf.values)


def _is_within(leaf: Leaf, term: Term) -> bool:
    """Tell for numbers whether the leaf's range lies within the term's."""
    bound = _bound(term.values[0])
    if bound is None:
        return False
    allowed = _ORDER[term.operator]
    operator = "=" if leaf.operator == "in" else leaf.operator
    for value in leaf.values:
        number = _number(value)
        if number is None:
            return False
        inside = number < bound if term.operator in {"<", "<="} else number > bound
        at_bound = number == bound and (operator, True) in allowed
        if not (at_bound or (inside and operator in {one for one, _ in allowed})):
            return False
    return bool(leaf.values)


def _equal(value: object, constant: str) -> bool:
    if isinstance(value, bool):
        return constant in ({"true", "t"} if value else {"false", "f"})
    if isinstance(value, str | UUID):
        return str(value) == constant
    number, other = _number(value), _bound(constant)
    return number is not None and number == other


def _number(value: object) -> Decimal | None:
    """Return a value of the program as a number; texts are none, since they order otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    return number if number.is_finite() else None


def _bound(constant: str) -> Decimal | None:
    try:
        number = Decimal(constant)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
