"""Rows as callers give them, brought into columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import InstanceState

from pgvec.errors import InvalidRowError

__all__ = ["Chunk", "Columns", "RowReader", "names_of"]


class Columns:
    """Equally long columns by name."""

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def slice(self, start: int, stop: int) -> Columns:
        """Return some of the rows; arrays are not copied."""
        return Columns({name: values[start:stop] for name, values in self.columns.items()})


Chunk: TypeAlias = list[Any] | Columns


def names_of(chunk: Chunk) -> tuple[str, ...] | None:
    """Return what the first row calls its values; None where it is a plain sequence.

    Raises:
        InvalidRowError: It is nothing that a row can be.
    """
    if isinstance(chunk, Columns):
        return tuple(chunk.columns)
    row = chunk[0]
    if isinstance(row, list | np.ndarray):
        return None
    if isinstance(row, tuple):
        return getattr(row, "_fields", None)
    if isinstance(row, np.void) and row.dtype.names is not None:
        return tuple(row.dtype.names)
    return tuple(_mapping(row, 1))


def _mapping(row: Any, position: int) -> Mapping[str, Any]:
    """Return the values of a mapping or a record by name."""
    if isinstance(row, Mapping):
        return row
    state = sa.inspect(row, raiseerr=False)
    if not isinstance(state, InstanceState):
        raise InvalidRowError(
            f"Row {position} is {row!r:.60} ({type(row).__name__}): give mappings, records of the model, or tuples with columns=",
            position=position,
        )
    if state.pending:
        raise InvalidRowError(
            f"Row {position} belongs to a session, which would insert it a second time: do not add records that you load",
            position=position,
        )
    columns = state.mapper.column_attrs.keys()
    return {name: value for name, value in state.dict.items() if name in columns}


class RowReader:
    """Turns rows into columns, in the order of ``names``, and refuses a row that has others."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._keys = frozenset(names)
        self._pick = itemgetter(*names) if len(names) > 1 else lambda row: tuple(row[name] for name in names)

    def read(self, chunk: Chunk, before: int) -> list[Sequence[Any]]:
        """Return the values of each column.

        Args:
            chunk: The rows.
            before: How many rows came before them.

        Raises:
            InvalidRowError: A row has other keys than the first, or another number of values.
        """
        if isinstance(chunk, Columns):
            return [chunk.columns[name] for name in self._names]
        rows = [self._values(row, position) for position, row in enumerate(chunk, start=before + 1)]
        return list(zip(*rows, strict=True))

    def _values(self, row: Any, position: int) -> Sequence[Any]:
        if isinstance(row, tuple | list | np.void | np.ndarray):
            return self._sequence(row, position)
        values = row if type(row) is dict else _mapping(row, position)
        if values.keys() != self._keys:
            self._refuse_keys(values, position)
        return self._pick(values)

    def _sequence(self, row: Any, position: int) -> Sequence[Any]:
        if len(row) != len(self._names):
            raise InvalidRowError(
                f"Row {position} has {len(row)} values for {len(self._names)} columns: {', '.join(self._names)}",
                position=position,
            )
        return row  # type: ignore[no-any-return]

    def _refuse_keys(self, row: Mapping[str, Any], position: int) -> None:
        extra = next((name for name in row if name not in self._keys), None)
        if extra is not None:
            raise InvalidRowError(
                f"Row {position} has {extra!r}, which is not among the columns of this load: {', '.join(self._names)}. "
                "All rows need the same keys, those of the first row or of columns=",
                position=position,
                key=extra,
            )
        missing = next(name for name in self._names if name not in row)
        raise InvalidRowError(
            f"Row {position} has no {missing!r}: all rows need the same keys, with None where there is no value",
            position=position,
            key=missing,
        )
