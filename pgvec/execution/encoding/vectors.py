"""Codecs of pgvector's types.

Sources of the formats: vector_recv(), halfvec_recv() and sparsevec_recv() in pgvector's src/, and varbit_recv() in Postgres'
src/backend/utils/adt/varbit.c.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pgvec.execution.encoding.codec import Codec, FixedFields
from pgvec.model import Distance, VectorColumn, VectorType
from pgvec.orm.rules import MAX_STORED_DIMENSIONS
from pgvec.orm.values import BitValue, SparseValue, check_value

__all__ = ["vector_codec"]

_DENSE_HEADER = struct.Struct(">HH")
_FRAMED_DENSE_HEADER = struct.Struct(">iHH")
_SPARSE_HEADER = struct.Struct(">iii")
_BIT_HEADER = struct.Struct(">i")
_ELEMENTS: dict[VectorType, np.dtype[Any]] = {VectorType.VECTOR: np.dtype(">f4"), VectorType.HALFVEC: np.dtype(">f2")}
_FLOAT32_MAX = float(np.finfo(np.float32).max)


def vector_codec(column: VectorColumn, distance: Distance | None) -> Codec:
    """Return the codec of a vector column, which checks values as :func:`~pgvec.orm.values.check_value` does."""

    def checked(value: Any) -> Any:
        return check_value(value, column, distance=distance)

    if column.type is VectorType.SPARSEVEC:
        return Codec(lambda value: _sparse(checked(value)))
    if column.type is VectorType.BIT:
        return Codec(lambda value: _bits(checked(value)))
    element = _ELEMENTS[column.type]

    def one(value: Any) -> bytes:
        vector: NDArray[np.float32] = checked(value)
        return _DENSE_HEADER.pack(len(vector), 0) + vector.astype(element).tobytes()

    return Codec(one, _dense_block(column, element))


def _sparse(value: SparseValue) -> bytes:
    header = _SPARSE_HEADER.pack(value.dimensions, value.indices.size, 0)
    return header + value.indices.astype(">i4").tobytes() + value.values.astype(">f4").tobytes()


def _bits(value: BitValue) -> bytes:
    return _BIT_HEADER.pack(value.bits.size) + np.packbits(value.bits).tobytes()


def _dense_block(column: VectorColumn, element: np.dtype[Any]) -> Callable[[Sequence[Any]], FixedFields | None]:
    def block(values: Sequence[Any]) -> FixedFields | None:
        given = _stacked(values)
        if given is None:
            return None
        dimensions = given.shape[1]
        fits = column.dimensions in {None, dimensions} and 0 < dimensions <= MAX_STORED_DIMENSIONS[column.type]
        if not fits or not _usual(given, element):
            return None
        length = _DENSE_HEADER.size + dimensions * element.itemsize
        return FixedFields(_FRAMED_DENSE_HEADER.pack(length, dimensions, 0), given, element)

    return block


def _usual(given: NDArray[Any], element: np.dtype[Any]) -> bool:
    """Whether no vector needs a closer look: all are finite as stored, and none is zero or too long to be measured."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        stored = given.astype(element.newbyteorder("="), copy=False).astype(np.float32, copy=False)
        squared_lengths = np.einsum("ij,ij->i", stored, stored)
    return bool(((squared_lengths > 0) & (squared_lengths <= _FLOAT32_MAX)).all())


def _stacked(values: Sequence[Any]) -> NDArray[Any] | None:
    """Return the vectors as rows of a matrix, or None where they are not arrays or lists of numbers of one length."""
    if isinstance(values, np.ndarray):
        matrix = values
    elif all(type(value) is np.ndarray and value.ndim == 1 for value in values):
        if len({len(value) for value in values}) != 1:
            return None
        matrix = np.concatenate(values).reshape(len(values), -1)
    elif all(type(value) is list for value in values):
        try:
            matrix = np.asarray(values)
        except (ValueError, OverflowError):
            return None
    else:
        return None
    return matrix if matrix.ndim == 2 and matrix.dtype.kind in "biuf" else None
