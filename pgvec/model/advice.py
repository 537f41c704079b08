"""What would make the searches of a table faster, as proposals that are never applied."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pgvec.errors import InvalidOptionError

__all__ = ["Advice", "AdviceKind", "FilterShape", "TableState", "read_shape", "shape_text"]

_PART = re.compile(
    r'\s*(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<name>[^\s",=<>]+))\s*'
    r"(?P<operator>=|<>|<=|>=|<|>|in|is null|is not null|other)?\s*(?:,|AND\s|$)"
)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = frozenset({"=", "<>", "<", "<=", ">", ">=", "in", "is null", "is not null", "other"})


class AdviceKind(StrEnum):
    """What a proposal is about."""

    ANALYZE = "analyze"
    STORAGE = "storage"
    STATISTICS = "statistics"
    MEMORY = "memory"
    INDEX = "index"
    PARTIAL_INDEX = "partial_index"


@dataclass(frozen=True, slots=True)
class Advice:
    """One proposal.

    Attributes:
        kind: What it is about.
        title: What to do, in a few words.
        reason: Why, with the figures it follows from.
        sql: The statements, each to be run by itself outside of a transaction; none where the server's own settings are meant.
        bytes: Estimated size of what is made, or None where nothing is.
    """

    kind: AdviceKind
    title: str
    reason: str
    sql: tuple[str, ...] = ()
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class FilterShape:
    """Which columns a filter names, and how; never a value.

    Attributes:
        parts: Column and operator of each condition, all of which have to hold. The operator is that of a leaf of the
            planner, or ``other``.
        searches: How many searches had such a filter, or None where it was only named.
    """

    parts: tuple[tuple[str, str], ...]
    searches: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, each once, in the order of the filter."""
        return tuple(dict.fromkeys(column for column, _ in self.parts))


@dataclass(frozen=True, slots=True, eq=False)
class TableState:
    """How a table is stored and indexed, beside what the planner knows of it.

    Attributes:
        schema: Postgres schema of the table.
        name: Name of the table.
        is_plain: Whether it is a table of its own, and no view and not partitioned.
        storage: Storage of the vector column, as ``pg_attribute`` has it.
        extension_schema: Postgres schema of the extension.
        shared_buffers: The setting, and in bytes.
        build_memory: The setting ``maintenance_work_mem``, and in bytes.
        types: Names of the columns' types.
        indexes: Its valid indexes: name, method, partial, bytes, rows, columns.
        statistics: Columns of its statistics objects.
    """

    schema: str
    name: str
    is_plain: bool
    storage: str
    extension_schema: str
    shared_buffers: tuple[str, int]
    build_memory: tuple[str, int]
    types: Mapping[str, str] = field(default_factory=dict)
    indexes: tuple[Mapping[str, Any], ...] = ()
    statistics: tuple[frozenset[str], ...] = ()


def read_shape(text: str, searches: int | None = None) -> FilterShape:
    """Read the shape of a filter: columns with or without operators, joined by AND or commas.

    Raises:
        InvalidOptionError: The text is no such list.
    """
    parts, position = [], 0
    while position < len(text):
        found = _PART.match(text, position)
        if found is None:
            raise InvalidOptionError(
                f"{text!r:.80} is no list of columns that are filtered together, such as  label, price  or  label = AND price <"
            )
        column = found["name"] or found["quoted"].replace('""', '"')
        parts.append((column, found["operator"] or "="))
        position = found.end()
    if not parts:
        raise InvalidOptionError("the list of columns that are filtered together is empty")
    return FilterShape(tuple(parts), searches)


def shape_text(parts: tuple[tuple[str, str], ...]) -> str:
    """Return a shape as text, columns in quotes where they need it; equal filters have equal texts."""
    assert all(operator in _OPERATORS for _, operator in parts)
    named = sorted(
        (name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"', sign) for name, sign in parts
    )
    return " AND ".join(f"{name} {operator}" for name, operator in named)
