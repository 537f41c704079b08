"""Reads the JSON filter language into the filter tree."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pgvec.errors import InvalidFilterError
from pgvec.model.filter_operands import MAX_DEPTH, check_name, shown
from pgvec.model.filters import And, Comparison, Filter, Not, Operator, Or

__all__ = ["MAX_NODES", "parse_filter", "split_key"]

MAX_NODES = 10_000
"""Most conditions that a filter may have."""

_LOGICAL = ("$and", "$or", "$not")
_KEY_PART = re.compile(r"(?:[^.\\]|\\[.\\])+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse_filter(source: Mapping[str, object]) -> Filter:
    """Read a filter of the JSON language.

    Args:
        source: For example ``{"category": "news", "price": {"$lt": 10}}``; ``{}`` matches everything.

    Raises:
        InvalidFilterError: If an operator is unknown, an operand does not fit its operator, or the filter is nested deeper
            than 32 levels or has more than 10,000 conditions.
    """
    return _Parser().filter(source, depth=0)


def split_key(key: str) -> tuple[str, ...]:
    r"""Split a key such as ``metadata.source`` at its dots; ``\.`` is a dot inside of a name, ``\\`` a backslash."""
    check_name(key)
    parts: list[str] = []
    position = 0
    while match := _KEY_PART.match(key, position):
        parts.append(_ESCAPED.sub(r"\1", match[0]))
        position = match.end() + 1
        if match.end() == len(key):
            return tuple(parts)
        if key[match.end()] != ".":
            break
    raise InvalidFilterError(
        f"cannot read the key {shown(key)}: names are separated by single dots, and a backslash goes before a dot or a "
        "backslash only",
        key=key,
    )


class _Parser:
    """Reads one filter, and counts its conditions."""

    def __init__(self) -> None:
        self.nodes = 0

    def filter(self, source: object, depth: int) -> Filter:
        """Read ``{key: condition, ...}``: all of them hold."""
        self._enter(depth)
        if not isinstance(source, Mapping):
            raise InvalidFilterError(f"a filter is an object such as {{'category': 'news'}}, not {shown(source)}")
        return _all([self._entry(key, value, depth) for key, value in source.items()])

    def _entry(self, key: object, value: object, depth: int) -> Filter:
        check_name(key)
        assert isinstance(key, str)
        if key == "$not":
            return Not(self.filter(value, depth + 1))
        if key in {"$and", "$or"}:
            if not isinstance(value, list | tuple):
                raise InvalidFilterError(f"{key} needs a list of filters, not {shown(value)}", operator=key)
            parts = tuple(self.filter(part, depth + 1) for part in value)
            return And(parts) if key == "$and" else Or(parts)
        if key.startswith("$"):
            raise _unknown(
                key, f"before it comes a key, as in {{'price': {{'$lt': 10}}}}; here go {', '.join(_LOGICAL)}"
            )
        return self._field(split_key(key), key, value, depth)

    def _field(self, path: tuple[str, ...], key: str, value: object, depth: int) -> Filter:
        """Read what comes after a key: a value to equal, or an object of operators."""
        if isinstance(value, Mapping):
            return self._operators(path, key, value, depth + 1)
        self._enter(depth)
        if isinstance(value, list | tuple | set | frozenset):
            raise InvalidFilterError(
                f"{shown(key)} is given a list: say what to do with it, with $in, $contains, $overlaps or $eq", key=key
            )
        return Comparison(path, Operator.EQ, value)

    def _operators(self, path: tuple[str, ...], key: str, source: Mapping[object, object], depth: int) -> Filter:
        self._enter(depth)
        if not source:
            raise InvalidFilterError(f"{shown(key)} is given an empty object: it needs an operator", key=key)
        parts: list[Filter] = []
        for name, value in source.items():
            if name == "$not":
                if not isinstance(value, Mapping):
                    raise InvalidFilterError(
                        f"{shown(key)} $not: needs an object of operators, not {shown(value)}", key=key, operator="$not"
                    )
                parts.append(Not(self._operators(path, key, value, depth + 1)))
            else:
                self._enter(depth)
                parts.append(Comparison(path, _operator(name, key), value))
        return _all(parts)

    def _enter(self, depth: int) -> None:
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise InvalidFilterError(f"the filter is nested deeper than {MAX_DEPTH} levels, or contains itself")
        if self.nodes > MAX_NODES:
            raise InvalidFilterError(f"the filter has more than {MAX_NODES:,} conditions: use $in for long lists")


def _operator(name: object, key: str) -> Operator:
    try:
        return Operator(name)  # type: ignore[arg-type]
    except ValueError:
        if isinstance(name, str) and name.startswith("$"):
            known = ", ".join([*Operator, "$not"])
            raise _unknown(name, f"known after a key are {known}") from None
        raise InvalidFilterError(
            f"{shown(key)} is given an object with the key {shown(name)}, which is no operator: to compare with a JSON object, "
            "use $eq or $contains; to reach a value inside of one, write 'column.key'",
            key=key,
        ) from None


def _unknown(name: str, hint: str) -> InvalidFilterError:
    return InvalidFilterError(f"unknown operator {shown(name)}: {hint}", operator=name)


def _all(parts: list[Filter]) -> Filter:
    return parts[0] if len(parts) == 1 else And(tuple(parts))
