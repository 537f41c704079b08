"""Rows from files: CSV and JSON Lines, read as they are loaded."""

from __future__ import annotations

import csv
import io
import json
import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, cast

from pgvec.errors import InvalidOptionError, InvalidRowError
from pgvec.statements.load_requests import RowForm

__all__ = ["FileRows", "read_csv", "read_jsonl"]


class FileRows(Iterable[Mapping[str, Any]]):
    """The rows of a file, read lazily. A path is opened anew for each pass; an open file is read on from where it is."""

    form: RowForm

    def __init__(self, source: str | os.PathLike[str] | IO[Any], encoding: str) -> None:
        if not isinstance(source, str | os.PathLike) and not hasattr(source, "read"):
            raise InvalidOptionError(f"A path or an open file is needed, not {type(source).__name__}")
        try:
            io.TextIOWrapper(io.BytesIO(), encoding).detach()
        except (LookupError, ValueError) as exc:
            raise InvalidOptionError(f"encoding={encoding!r:.60} is no encoding that Python knows") from exc
        self._source = source
        self._encoding = encoding
        self._size = 0
        self._raw: Any = None

    @abstractmethod
    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """Yield the rows."""

    def estimate_total(self, rows: int) -> int | None:
        """Return how many rows there are in all, judging by the part of the file that ``rows`` rows took; None if unknown."""
        if not self._size or not rows or self._raw is None or self._raw.closed:
            return None
        done = self._raw.tell()
        return max(rows, round(rows * self._size / done)) if done else None

    @contextmanager
    def _opened(self) -> Iterator[IO[str]]:
        source: Any = self._source
        if isinstance(source, str | os.PathLike):
            with _open(source) as raw, io.TextIOWrapper(raw, self._encoding, newline="") as text:
                self._measure(raw)
                yield text
            return
        if isinstance(source, io.TextIOBase):
            self._measure(getattr(source, "buffer", None))
            yield cast("IO[str]", source)
            return
        self._measure(source)
        text = io.TextIOWrapper(source, self._encoding, newline="")
        try:
            yield text
        finally:
            text.detach()

    def _measure(self, raw: Any) -> None:
        """Remember the size, for the estimate, where the file is one that can be asked."""
        try:
            self._size, self._raw = os.fstat(raw.fileno()).st_size, raw
            raw.tell()
        except (AttributeError, OSError):
            self._size, self._raw = 0, None


def _open(path: str | os.PathLike[str]) -> IO[bytes]:
    try:
        return open(path, "rb")  # noqa: PTH123 - the caller closes it
    except ValueError as exc:
        raise InvalidOptionError(f"{path!r:.60} is no path: {exc}") from exc


class _CsvRows(FileRows):
    form = RowForm.TEXT

    def __init__(
        self,
        source: str | os.PathLike[str] | IO[Any],
        columns: Sequence[str] | None,
        names: Sequence[str] | None,
        delimiter: str,
        encoding: str,
    ) -> None:
        super().__init__(source, encoding)
        self._columns = None if columns is None else list(columns)
        self._names = None if names is None else list(names)
        try:
            csv.reader((), delimiter=delimiter)
        except (TypeError, ValueError) as exc:
            raise InvalidOptionError(f"delimiter={delimiter!r:.60} cannot separate fields: {exc}") from exc
        self._delimiter = delimiter

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        with self._opened() as text:
            reader = csv.reader(text, delimiter=self._delimiter, strict=True)
            lines = self._lines(reader)
            header = self._names if self._names is not None else next(lines, None)
            if header is None:
                return
            wanted = self._wanted(header)
            for position, line in enumerate(lines, start=1):
                if len(line) != len(header):
                    raise InvalidRowError(
                        f"Row {position} (line {reader.line_num}) has {len(line)} fields, and the header has "
                        f"{len(header)}: check quotes and delimiter",
                        position=position,
                    )
                yield {name: line[at] for name, at in wanted}

    def _lines(self, reader: Any) -> Iterator[list[str]]:
        position = 0 if self._names is None else 1
        try:
            for line in reader:
                if line:  # the csv module gives an empty line as an empty list
                    yield line
                    position += 1
        except (csv.Error, UnicodeDecodeError) as exc:
            hint = "; csv.field_size_limit() sets the limit" if "field limit" in str(exc) else ""
            raise InvalidRowError(
                f"Row {position} (line {reader.line_num}) cannot be read as CSV: {exc}{hint}", position=position
            ) from exc

    def _wanted(self, header: Sequence[str]) -> list[tuple[str, int]]:
        # Spreadsheets begin a UTF-8 file with a byte order mark.
        clean = [name.removeprefix("\ufeff").strip() for name in header]
        if len(set(clean)) < len(clean):
            raise InvalidOptionError(f"The CSV header names a column twice: {', '.join(clean)}")
        missing = [name for name in self._columns or () if name not in clean]
        if missing:
            raise InvalidOptionError(f"The CSV file has no column {missing[0]!r}: it has {', '.join(clean)}")
        return [(name, clean.index(name)) for name in self._columns or clean]


class _JsonRows(FileRows):
    form = RowForm.JSON

    def __init__(self, source: str | os.PathLike[str] | IO[Any], columns: Sequence[str] | None, encoding: str) -> None:
        super().__init__(source, encoding)
        self._columns = None if columns is None else list(columns)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        with self._opened() as text:
            position = 0
            for number, line in enumerate(text, start=1):
                if not line.strip():
                    continue
                position += 1
                yield self._read(line, position, number)

    def _read(self, line: str, position: int, number: int) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as exc:
            raise InvalidRowError(f"Row {position} (line {number}) is not JSON: {exc}", position=position) from exc
        if not isinstance(row, dict):
            raise InvalidRowError(
                f'Row {position} (line {number}) is {line.strip()!r:.60}, where an object such as {{"id": 1}} is needed',
                position=position,
            )
        # A key that is left out means null: JSON writers differ in this from row to row.
        return row if self._columns is None else {name: row.get(name) for name in self._columns}


def read_csv(
    source: str | os.PathLike[str] | IO[Any],
    *,
    columns: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> FileRows:
    """Read the rows of a CSV file for a bulk load, which converts each text by the type of its column.

    An empty field is NULL, except in text columns, where it is the empty text. A vector is a JSON list (``[0.1, 0.2]``),
    an array too; for ``sparsevec`` also ``{1:0.5}/3``, for ``bit`` a string such as ``0101``.

    Args:
        source: A path, or an open file (text with ``newline=""``, or binary).
        columns: Which columns of the file to load; all of them by default.
        names: The names of the columns, where the file has no header line.
        delimiter: What separates fields.
        encoding: Encoding of the file.
    """
    return _CsvRows(source, columns, names, delimiter, encoding)


def read_jsonl(
    source: str | os.PathLike[str] | IO[Any], *, columns: Sequence[str] | None = None, encoding: str = "utf-8"
) -> FileRows:
    r"""Read the rows of a JSON Lines file, one object on each line, for a bulk load.

    What JSON has no type for is text: dates and times in ISO form, UUIDs, ``bytea`` as ``\x00ff``, large decimals.

    Args:
        source: A path, or an open file.
        columns: Which keys to load, missing ones as null; by default those of the first row, which then every row must have.
        encoding: Encoding of the file.
    """
    return _JsonRows(source, columns, encoding)
