"""Measures, for a few stored rows, how many of the nearest the searches through vector indexes find."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeAlias

import sqlalchemy as sa

from pgvec import Repository
from pgvec.cli.output import note
from pgvec.errors import InvalidOptionError, PgvecError
from pgvec.execution.reflection import reflect_table
from pgvec.model import Distance
from pgvec.model.index_build import IndexState

__all__ = ["check_sample", "with_recall"]

_Key: TypeAlias = tuple[str, str, str, Distance]

_LIMIT = 10
_MOST = 1_000
_SUFFIXES = {distance.operator_class_suffix: distance for distance in Distance}


def check_sample(count: int | None) -> int | None:
    """Return how many rows to take as queries, once that is a number that can be meant."""
    if count is not None and not 1 <= count <= _MOST:
        raise InvalidOptionError(f"--recall is from 1 to {_MOST:,} rows to take as queries, not {count:,}")
    return count


def with_recall(engine: sa.Engine, states: Iterable[IndexState], sample: int | None) -> list[IndexState]:
    """Return the states of indexes with the recall@10 of searches of their column and distance, where it can be measured."""
    if sample is None:
        return list(states)
    known: dict[_Key, float | None] = {}
    found = []
    for state in states:
        index = state.index
        distance = _SUFFIXES.get(index.operator_class.rpartition(".")[2].partition("_")[2])
        # Only of an index on a column it is known for certain what is searched by it.
        if not index.valid or index.column is None or index.predicate is not None or distance is None:
            found.append(state)
            continue
        key = (index.schema, index.table, index.column, distance)
        if key not in known:
            known[key] = _measure(engine, key, sample)
        found.append(replace(state, recall=known[key]))
    return found


def _measure(engine: sa.Engine, key: _Key, sample: int) -> float | None:
    schema, table, column, distance = key
    try:
        reflected = reflect_table(engine, table, schema=schema)
        repository = Repository[Any](engine, reflected, column=column, distance=distance)
        return repository.recall(limit=_LIMIT, sample=sample).recall
    except PgvecError as exc:
        note(f"{schema}.{table}.{column}: its recall cannot be measured: {exc}")
        return None
