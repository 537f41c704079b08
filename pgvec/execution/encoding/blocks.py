"""Blocks of rows as binary COPY data."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import tzinfo
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import psycopg
from psycopg.abc import Transformer

from pgvec.errors import InvalidRowError, PgvecError
from pgvec.execution.encoding.arrays import array_codec
from pgvec.execution.encoding.codec import Codec, Field, FixedFields, Matrix, fixed, framed_one
from pgvec.execution.encoding.rows import Chunk, RowReader
from pgvec.execution.encoding.scalars import scalar_codecs, text_codec
from pgvec.execution.encoding.vectors import vector_codec
from pgvec.statements.load_requests import BINARY_OIDS, LoadColumn, ValueType

__all__ = ["SIGNATURE", "TRAILER", "BlockEncoder"]

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_NULL = b"\xff\xff\xff\xff"
_COUNT = np.dtype(">i2")
_POSITION = np.dtype(">i8")
# Measured: below this the work for each block counts, above it the processor's cache overflows.
_BLOCK_BYTES = 1 << 19
_FIRST_ROWS = 64
_MOST_ROWS = 10_000

# What a value that does not fit makes converters raise, SQLAlchemy's and an application's own included.
_UNFIT = (TypeError, ValueError, ArithmeticError, LookupError, struct.error, psycopg.DataError)

_Fields: TypeAlias = FixedFields | list[Field]


class BlockEncoder:
    """Encodes rows, block by block, and knows how many it has seen.

    Attributes:
        rows: How many rows it has encoded.
        block_rows: How many rows make a block of the right size.
    """

    def __init__(
        self,
        columns: Sequence[LoadColumn],
        *,
        transformer: Transformer,
        encoding: str,
        timezone: tzinfo,
        positions: bool = False,
    ) -> None:
        self.rows = 0
        self.block_rows = _FIRST_ROWS
        self._reader = RowReader([column.attribute for column in columns if column.default is None])
        self._columns = columns
        self._scalars = scalar_codecs(transformer, encoding, timezone)
        self._as_text = text_codec(transformer, encoding)
        self._codecs = [self._codec(column) for column in columns]
        self._positions = positions
        self._buffer: Matrix = np.empty(0, np.uint8)

    def encode(self, chunk: Chunk) -> bytes | memoryview:
        """Encode the next rows.

        Returns:
            Data that is valid until the next call.

        Raises:
            InvalidRowError: A row cannot be stored; ``position`` counts all rows so far.
        """
        size = len(chunk)
        fields: list[_Fields] = [self._row_headers(size)]
        if self._positions:
            fields.append(fixed(np.arange(self.rows + 1, self.rows + size + 1), _POSITION))
        for column, codec, values in zip(self._columns, self._codecs, self._values(chunk), strict=True):
            fields.append(self._encode_column(column, codec, values))
        data = self._joined(fields)
        self.rows += size
        self.block_rows = max(1, min(_MOST_ROWS, _BLOCK_BYTES * size // len(data)))
        return data

    def _row_headers(self, size: int) -> FixedFields:
        return FixedFields(b"", np.full(size, len(self._columns) + self._positions), _COUNT)

    def _values(self, chunk: Chunk) -> list[Sequence[Any]]:
        """The values of each column, defaults included, as the driver gets them."""
        given = self._reader.read(chunk, self.rows)
        names = [column.attribute for column in self._columns if column.default is None]
        values = []
        for column in self._columns:
            if column.default is None:
                raw = given[names.index(column.attribute)]
            else:
                default = column.default
                rows = zip(*given, strict=True) if given else ((),) * len(chunk)
                raw = [default(dict(zip(names, row, strict=True))) for row in rows]
            values.append(self._bound(column, raw))
        return values

    def _bound(self, column: LoadColumn, values: Sequence[Any]) -> Sequence[Any]:
        convert = column.bind if column.parse is None else _reading(column.parse, column.bind)
        return values if convert is None else self._each(column, convert, values)

    def _each(self, column: LoadColumn, function: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
        done: list[Any] = []
        try:
            for value in _listed(values):
                done.append(function(value))  # noqa: PERF401  (its length tells which value failed)
        except _UNFIT as exc:
            raise self._refused(column, len(done), exc) from exc
        return done

    def _encode_column(self, column: LoadColumn, codec: Codec, values: Sequence[Any]) -> _Fields:
        if isinstance(values, np.ndarray):
            if codec.block is not None and (block := codec.block(values)) is not None:
                return block
            values = _listed(values)
        present = [value for value in values if value is not None]
        if present and codec.block is not None and (block := codec.block(present)) is not None:
            return block if len(present) == len(values) else _with_nulls(values, block)
        fields: list[Field] = []
        try:
            for value in values:
                fields.append(_NULL if value is None else framed_one(codec.one(value)))  # noqa: PERF401  (as above)
        except _UNFIT as exc:
            raise self._refused(column, len(fields), exc) from exc
        return fields

    def _refused(self, column: LoadColumn, index: int, exc: Exception) -> InvalidRowError:
        position = self.rows + index + 1
        reason = exc.message if isinstance(exc, PgvecError) else str(exc)
        return InvalidRowError(
            f"Row {position}, {column.attribute!r}: {reason}", position=position, key=column.attribute
        )

    def _joined(self, columns: list[_Fields]) -> bytes | memoryview:
        """Interleave columns into rows. Neighbours of fixed length are written together: most tables are one matrix."""
        parts: list[list[Field]] = []
        fixed_fields: list[FixedFields] = []
        for column in columns:
            if isinstance(column, FixedFields):
                fixed_fields.append(column)
                continue
            parts += [_split(_matrix(fixed_fields)), column] if fixed_fields else [column]
            fixed_fields = []
        if not parts:
            needed = _area(fixed_fields)
            if self._buffer.size < needed:
                self._buffer = np.empty(needed, np.uint8)
            return _matrix(fixed_fields, self._buffer).reshape(-1).data
        if fixed_fields:
            parts.append(_split(_matrix(fixed_fields)))
        return b"".join(chain.from_iterable(zip(*parts, strict=True)))

    def _codec(self, column: LoadColumn) -> Codec:
        if column.as_text is not None:
            return self._as_text
        if column.vector is not None:
            return vector_codec(column.vector, column.distance)
        return self._type_codec(column.type)

    def _type_codec(self, value_type: ValueType) -> Codec:
        if value_type.element is not None:
            return array_codec(value_type.element.oid, self._type_codec(value_type.element))
        # Enumerations and citext are received as text.
        return self._scalars[BINARY_OIDS.get(value_type.oid, "text")]


def _reading(parse: Callable[[str], Any], bind: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if isinstance(value, str):
            value = parse(value)
            if value is None:
                return None  # empty text is NULL, also where SQLAlchemy's JSON type would write JSON's null
        return value if bind is None else bind(value)

    return convert


def _listed(values: Sequence[Any]) -> list[Any]:
    if not isinstance(values, np.ndarray):
        return values if isinstance(values, list) else list(values)
    if values.dtype.kind in "mM":
        # At nanoseconds, NumPy's own tolist() gives plain numbers.
        values = values.astype(values.dtype.str[:2] + "8[us]")
    return list(values) if values.ndim > 1 else values.tolist()


def _with_nulls(values: Sequence[Any], block: FixedFields) -> list[Field]:
    present = iter(_split(_matrix([block])))
    return [_NULL if value is None else next(present) for value in values]


def _area(fields: Sequence[FixedFields]) -> int:
    return len(fields[0].values) * sum(field.width for field in fields)


def _matrix(fields: Sequence[FixedFields], buffer: Matrix | None = None) -> Matrix:
    """Write columns side by side, into ``buffer`` where there is one."""
    area = _area(fields)
    memory = np.empty(area, np.uint8) if buffer is None else buffer[:area]
    matrix = memory.reshape(len(fields[0].values), -1)
    at = 0
    for field in fields:
        field.write(matrix[:, at : at + field.width])
        at += field.width
    return matrix


def _split(matrix: Matrix) -> list[Field]:
    width = matrix.shape[1]
    data = memoryview(matrix.tobytes())
    return [data[at : at + width] for at in range(0, len(data), width)]
