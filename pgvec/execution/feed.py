"""Where a load takes its rows from, a chunk at a time."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from time import monotonic
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from pgvec.errors import InvalidInputError, InvalidOptionError, InvalidRowError
from pgvec.execution.encoding import Chunk, names_of
from pgvec.execution.encoding.rows import Columns
from pgvec.model import LoadProgress, ProgressCallback

__all__ = ["AsyncRows", "EstimatesTotal", "ProgressReporter", "RowFeed", "Rows"]

Rows: TypeAlias = Iterable[Any] | Mapping[str, Sequence[Any]]
AsyncRows: TypeAlias = Rows | AsyncIterable[Any]

_FIRST_ROWS = 64
_SECONDS_BETWEEN_REPORTS = 0.1


@runtime_checkable
class EstimatesTotal(Protocol):
    """Rows that cannot say how many they are, but can estimate it."""

    def estimate_total(self, rows: int) -> int | None:
        """Return how many rows there are in all, after ``rows`` of them were read."""


class RowFeed:
    """Takes rows from what the caller gave: rows one by one, or whole columns.

    Attributes:
        error: What the caller's own iterable raised, or None.
    """

    def __init__(self, rows: AsyncRows, columns: Sequence[Any] | None) -> None:
        self.error: BaseException | None = None
        given = [columns] if isinstance(columns, str) else columns
        self._names = None if given is None else tuple(_name(column) for column in given)
        if self._names == ():
            raise InvalidOptionError("columns= is empty: name the columns, or leave it out")
        self._rows = rows
        self._columns = _as_columns(rows, self._names)
        self._taken = 0
        self._first: Chunk | None = None
        self._iterator: Iterator[Any] | AsyncIterator[Any] | None = None
        if self._columns is None:
            self._iterator = _iterator(rows)

    @property
    def asynchronous(self) -> bool:
        """Whether only the asynchronous methods can take rows."""
        return isinstance(self._iterator, AsyncIterator)

    def total(self, done: int) -> int | None:
        """How many rows there are in all, as far as it is known after ``done`` of them."""
        if self._columns is not None:
            return len(self._columns)
        if isinstance(self._rows, EstimatesTotal):
            return self._rows.estimate_total(done)
        try:
            return len(self._rows)  # type: ignore[arg-type]
        except TypeError:
            return None

    def names(self) -> tuple[str, ...] | None:
        """Return what rows call their values, None where there are no rows."""
        self._first = self.take(_FIRST_ROWS)
        return self._names_of_first()

    async def names_async(self) -> tuple[str, ...] | None:
        """Do the same as :meth:`names`."""
        self._first = await self.take_async(_FIRST_ROWS)
        return self._names_of_first()

    def take(self, rows: int) -> Chunk:
        """Return the next rows, at most so many; none at the end."""
        if self._columns is not None or self._first is not None:
            return self._ready(rows)
        assert isinstance(self._iterator, Iterator)
        with self._remembering_errors():
            return list(islice(self._iterator, rows))

    async def take_async(self, rows: int) -> Chunk:
        """Do the same as :meth:`take`."""
        if not isinstance(self._iterator, AsyncIterator) or self._first is not None:
            return self.take(rows)
        chunk: list[Any] = []
        with self._remembering_errors():
            async for row in self._iterator:
                chunk.append(row)
                if len(chunk) == rows:
                    break
        return chunk

    def _ready(self, rows: int) -> Chunk:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        assert self._columns is not None
        chunk = self._columns.slice(self._taken, self._taken + rows)
        self._taken += len(chunk)
        return chunk

    def _names_of_first(self) -> tuple[str, ...] | None:
        if not self._first:
            return None
        found = names_of(self._first)
        if self._names is not None:
            return self._names
        if found is None:
            raise InvalidOptionError("Rows that are tuples or lists do not name their values: say columns=('id', ...)")
        if not found:
            raise InvalidRowError("Row 1 is empty: it names no column", position=1)
        return found

    @contextmanager
    def _remembering_errors(self) -> Iterator[None]:
        try:
            yield
        except BaseException as exc:
            self.error = exc
            raise


class ProgressReporter:
    """Calls the caller's callback, at most ten times a second and once at the end."""

    def __init__(self, callback: ProgressCallback | None, total: Callable[[int], int | None]) -> None:
        self._callback = callback
        self._total = total
        self._started = self._last = monotonic()

    def report(self, rows: int) -> None:
        """Say how far the load is, unless that was said just now."""
        now = monotonic()
        if self._callback is not None and now - self._last >= _SECONDS_BETWEEN_REPORTS:
            self._last = now
            self._callback(LoadProgress(rows, self._total(rows), now - self._started))

    def finish(self, rows: int) -> None:
        """Say that all rows were sent."""
        if self._callback is not None:
            self._callback(LoadProgress(rows, rows, monotonic() - self._started))


def _name(column: Any) -> str:
    name = column if isinstance(column, str) else getattr(column, "key", None)
    if not isinstance(name, str):
        raise InvalidOptionError(f"columns= has {column!r}: give names or attributes of the model")
    return name


def _as_columns(rows: AsyncRows, names: tuple[str, ...] | None) -> Columns | None:
    """Return rows that were given as columns: a mapping, a structured array, or a matrix for one vector column."""
    if np.ma.isMaskedArray(rows):
        raise InvalidInputError("A masked array would lose its mask: give a mapping of columns, with None where masked")
    columns: Mapping[str, Any]
    if isinstance(rows, Mapping):
        columns = rows
    elif isinstance(rows, np.ndarray) and rows.dtype.names is not None:
        columns = {name: rows[name] for name in rows.dtype.names}
    elif isinstance(rows, np.ndarray) and rows.ndim == 2 and names is not None and len(names) == 1:
        columns = {names[0]: rows}
    else:
        return None
    _check_columns(columns, names)
    return Columns(columns)


def _check_columns(columns: Mapping[str, Any], names: tuple[str, ...] | None) -> None:
    if names is not None and set(names) != set(columns):
        raise InvalidOptionError(f"columns= says {', '.join(names)}, and the rows have {', '.join(columns)}")
    for name, values in columns.items():
        if isinstance(values, str | bytes) or not isinstance(values, Sequence | np.ndarray):
            raise InvalidInputError(
                f"{name!r} is {values!r:.60}, where a list or array is needed: a mapping gives whole columns; give one row as "
                "[row]"
            )
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidInputError(f"Columns differ in length: {', '.join(f'{n} {c}' for n, c in lengths.items())}")


def _iterator(rows: Any) -> Iterator[Any] | AsyncIterator[Any]:
    if isinstance(rows, str | bytes | bytearray):
        raise InvalidInputError(f"{rows!r:.60} is no rows: read a file with read_csv() or read_jsonl()")
    if isinstance(rows, AsyncIterable):
        return aiter(rows)
    if not isinstance(rows, Iterable):
        raise InvalidInputError(f"Rows have to be iterable, and {type(rows).__name__} is not")
    return iter(rows)
