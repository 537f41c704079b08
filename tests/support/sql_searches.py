"""Random searches, asked of the repository and of the SQL functions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from random import Random
from typing import Any
from uuid import UUID

from support.filters import Filters
from support.searched_table import DIMENSIONS

_NAMES = {"number": "quantity", "metadata_": "metadata"}


def vector_text(random: Random) -> str:
    """Return a random vector as pgvector writes it."""
    return "[" + ",".join(f"{random.gauss(0, 1):.7f}" for _ in range(DIMENSIONS)) + "]"


def searches(seed: int, count: int) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Yield queries, filters of the JSON language and limits; filters that JSON cannot say are left out."""
    random = Random(seed)
    generator = Filters(seed)
    made = 0
    while made < count:
        source = _renamed(generator.filter())
        if not _has(source, timedelta):
            made += 1
            yield vector_text(random), source, random.choice((1, 10, 400))


def as_json(value: object) -> str:  # noqa: PLR0911 - a type each
    """Write a filter as JSON, its numbers as they are."""
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)}: {as_json(part)}" for key, part in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(as_json, value)) + "]"
        case Decimal():
            return str(value)
        case Enum():
            return json.dumps(value.name)
        case date() | time():
            return json.dumps(value.isoformat())
        case UUID():
            return json.dumps(str(value))
        case _:
            return json.dumps(value)


def _renamed(source: Any) -> Any:
    """Call columns as the table does: SQL knows no attributes."""
    if isinstance(source, list):
        return [_renamed(part) for part in source]
    if not isinstance(source, dict):
        return source
    renamed = {}
    for key, value in source.items():
        column, dot, rest = key.partition(".")
        name = _NAMES.get(column, column) + dot + rest
        renamed[name] = _renamed(value) if key.startswith("$") else _plain(value)
    return renamed


def _plain(value: Any) -> Any:
    """Give labels as they are stored, since a table without a model knows no enum class."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.name if isinstance(value, Enum) else value


def _has(source: Any, class_: type) -> bool:
    if isinstance(source, dict):
        return any(_has(part, class_) for part in source.values())
    return (
        any(_has(part, class_) for part in source) if isinstance(source, list | tuple) else isinstance(source, class_)
    )
