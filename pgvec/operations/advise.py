"""The recipe of advice: asks what is to be known of a table, and applies the rules."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from pgvec.errors import InvalidOptionError, MappingMismatchError
from pgvec.model import Advice, FilterShape, TableState, Target, read_shape
from pgvec.sql import query_text
from pgvec.statements.advice import advise as rules
from pgvec.statements.plan import relation_text, target_table
from pgvec.statements.requests import Execute, Request, Survey

__all__ = ["advise", "checked_shapes"]

_MOST_SHAPES = 1_000
_SHAPES = sa.text(
    "SELECT shape, searches FROM pgvec.filter_shape"
    " WHERE relation_schema = :schema AND relation_name = :name ORDER BY searches DESC, shape LIMIT :most"
)


def advise(target: Target, filters: Sequence[FilterShape]) -> Generator[Request, Any, tuple[Advice, ...]]:
    """Propose what would make searches of a table faster.

    Args:
        target: What is searched.
        filters: Filters that are named beside those that were recorded.

    Raises:
        MappingMismatchError: There is no such table.
        InvalidOptionError: A filter names a column that the table does not have.
    """
    facts, _ = yield Survey(target, fresh=True)
    table = target_table(target)
    named = {"relation": relation_text(table.name, table.schema), "vector": target.column.name}
    answer = yield Execute(_statement(), target, named)
    if facts is None or not answer.rows:
        raise MappingMismatchError(
            f"there is no table {target.name!r} with a column {target.column.name!r} to give advice on"
        )
    row = answer.rows[0]
    state = _state(row)
    for shape in filters:
        if unknown := set(shape.columns) - set(state.types):
            raise InvalidOptionError(
                f"{', '.join(sorted(unknown))}: no column of {target.name}, which has: {', '.join(sorted(state.types))}"
            )
    recorded: list[FilterShape] = []
    if row.has_shapes:
        found = yield Execute(_SHAPES, target, {"schema": state.schema, "name": state.name, "most": _MOST_SHAPES})
        recorded = [read_shape(shape, searches) for shape, searches in found.rows]
    return rules(target, facts, state, [*filters, *recorded])


def checked_shapes(filters: object) -> list[FilterShape]:
    """Return the filters that a caller names: texts such as ``label, price`` or ``label = AND price <``.

    Raises:
        InvalidOptionError: One of them is no such text.
    """
    if isinstance(filters, str) or not isinstance(filters, Sequence) or not all(isinstance(f, str) for f in filters):
        raise InvalidOptionError(f"filters= takes a list of texts such as 'label, price', not {filters!r:.80}")
    return [read_shape(text) for text in filters]


@cache
def _statement() -> sa.TextClause:
    text = query_text("advice").replace("::", "\\:\\:")
    return sa.text(text.replace("%(relation)s", ":relation").replace("%(vector)s", ":vector"))


def _state(row: Any) -> TableState:
    return TableState(
        schema=row.schema,
        name=row.name,
        is_plain=row.is_plain,
        storage=row.storage,
        extension_schema=row.extension_schema,
        shared_buffers=(row.shared_buffers, row.shared_bytes),
        build_memory=(row.build_memory, row.build_bytes),
        types=row.types,
        indexes=tuple(row.indexes),
        statistics=tuple(frozenset(columns or ()) for columns in row.statistics),
    )
