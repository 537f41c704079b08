"""Vectors checked against a column, written for Postgres and read from it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pgvec.errors import DimensionMismatchError, InvalidInputError
from pgvec.model import Distance, VectorColumn, VectorType
from pgvec.orm.coercion import FLOAT32_MAX, BitValue, SparseValue, as_array, as_bits, as_sparse
from pgvec.orm.rules import MAX_SPARSE_ELEMENTS, MAX_STORED_DIMENSIONS

try:
    from pgvector import SparseVector
except ImportError:  # pgvector-python before 0.4
    from pgvector.utils import SparseVector  # type: ignore[no-redef]

__all__ = ["BitValue", "SparseValue", "SparseVector", "VectorValue", "as_array", "check_value", "decode", "to_text"]

# Squared lengths that float32 does not round to 0, however many elements they come from.
_SURELY_LONG = 1e-36

VectorValue: TypeAlias = NDArray[np.float32] | SparseValue | BitValue


def check_value(value: object, column: VectorColumn, *, distance: Distance | None, what: str = "vector") -> VectorValue:
    """Check that a value can be stored in, or compared with, a vector column, and bring it into one form.

    Args:
        value: For ``vector`` and ``halfvec`` what :func:`as_array` takes; for ``sparsevec`` also ``{index: value}`` with
            indices from 0, and sparse arrays of SciPy; for ``bit`` a string of 0 and 1, bools, whole numbers 0 and 1, or
            pgvector-python's ``Bit``. (Bytes are refused: they do not tell their length in bits.)
        column: The column.
        distance: The distance that it will be compared by; None skips the check for a zero vector.
        what: What the value is, for messages.

    Raises:
        DimensionMismatchError: It has another number of dimensions than the column.
        InvalidInputError: It is no vector of this type, has NaN or infinite elements or elements beyond the type, or is a
            zero vector although the distance is ``cosine``.
    """
    if column.type == VectorType.BIT:
        bits = as_bits(value, what=what)
        _check_dimensions(bits.bits.size, column, what)
        return bits
    if column.type == VectorType.SPARSEVEC:
        sparse = as_sparse(value, column.dimensions, what=what)
        _check_dimensions(sparse.dimensions, column, what)
        if sparse.values.size > MAX_SPARSE_ELEMENTS:
            raise InvalidInputError(
                f"{what} has {sparse.values.size} elements that are not zero: sparsevec stores up to "
                f"{MAX_SPARSE_ELEMENTS}; leave out the smallest"
            )
        _check_elements(sparse.values, column, distance, what=what, positions=sparse.indices)
        return sparse
    vector = as_array(value, what=what)
    _check_dimensions(vector.size, column, what)
    _check_elements(vector, column, distance, what=what)
    return vector


def to_text(value: VectorValue) -> str:
    """Write a checked value in pgvector's text form: ``[1,2.5]``, ``{1:2.5}/3`` (indices from 1) or ``0101``."""
    if isinstance(value, SparseValue):
        pairs = zip(value.indices.tolist(), value.values.tolist(), strict=True)
        return "{" + ",".join([f"{index + 1}:{element:.9g}" for index, element in pairs]) + f"}}/{value.dimensions}"
    if isinstance(value, BitValue):
        return (value.bits.view(np.uint8) + np.uint8(ord("0"))).tobytes().decode("ascii")
    # Nine digits tell every float32 apart, in a third of the time that the shortest form takes.
    return "[" + ",".join(["%.9g"] * value.size) % tuple(value.tolist()) + "]"


def decode(raw: Any, type: VectorType) -> Any:  # noqa: A002 - the word for it everywhere in pgvec
    """Turn what a driver returned for a vector into pgvec's form.

    Args:
        raw: Postgres' text or binary form, or what adapters that the caller registered made of it: an array, a list or an
            object of pgvector-python. None stays None.
        type: Type of the column.

    Returns:
        A float32 array for ``vector`` and ``halfvec``, a bool array for ``bit``, pgvector-python's ``SparseVector`` for
        ``sparsevec``.
    """
    return None if raw is None else _DECODERS[type](raw)


def _decode_vector(raw: Any) -> NDArray[np.float32]:
    if isinstance(raw, str):
        return np.fromstring(raw[1:-1], dtype=np.float32, sep=",")
    if isinstance(raw, bytes | bytearray | memoryview):
        return np.frombuffer(raw, dtype=">f4", offset=4).astype(np.float32)
    return as_array(raw)


def _decode_halfvec(raw: Any) -> NDArray[np.float32]:
    if isinstance(raw, bytes | bytearray | memoryview):
        return np.frombuffer(raw, dtype=">f2", offset=4).astype(np.float32)
    return _decode_vector(raw)


def _decode_sparsevec(raw: Any) -> Any:
    if isinstance(raw, str):
        return SparseVector.from_text(raw)
    if isinstance(raw, bytes | bytearray | memoryview):
        dimensions, count, _ = struct.unpack_from(">iii", raw)
        indices = np.frombuffer(raw, dtype=">i4", count=count, offset=12)
        elements = np.frombuffer(raw, dtype=">f4", count=count, offset=12 + 4 * count)
        return SparseVector(dict(zip(indices.tolist(), elements.tolist(), strict=True)), dimensions)
    return raw


def _decode_bit(raw: Any) -> NDArray[np.bool_]:
    if isinstance(raw, bytes | bytearray | memoryview):
        (count,) = struct.unpack_from(">i", raw)
        return np.unpackbits(np.frombuffer(raw, dtype=np.uint8, offset=4), count=count).astype(np.bool_)
    return as_bits(raw, what="bit vector").bits


_DECODERS: dict[VectorType, Callable[[Any], Any]] = {
    VectorType.VECTOR: _decode_vector,
    VectorType.HALFVEC: _decode_halfvec,
    VectorType.SPARSEVEC: _decode_sparsevec,
    VectorType.BIT: _decode_bit,
}


def _check_dimensions(actual: int, column: VectorColumn, what: str) -> None:
    if actual != column.dimensions and column.dimensions is not None:
        raise DimensionMismatchError(
            f"{what} has {actual} dimensions, but {_named(column)} has {column.dimensions}: embed it with the model "
            "that the column was declared for",
            expected=column.dimensions,
            actual=actual,
        )
    if actual > (most := MAX_STORED_DIMENSIONS[column.type]):
        raise DimensionMismatchError(
            f"{what} has {actual} dimensions, but {column.type} stores up to {most}", expected=most, actual=actual
        )


def _as_halfvec(elements: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", under="ignore"):
        return elements.astype(np.float16).astype(np.float32)


def _named(column: VectorColumn) -> str:
    return repr(column.attribute) if column.attribute else "its column"


def _check_elements(
    elements: NDArray[np.float32],
    column: VectorColumn,
    distance: Distance | None,
    *,
    what: str,
    positions: NDArray[np.int32] | None = None,
) -> None:
    stored = _as_halfvec(elements) if column.type == VectorType.HALFVEC else elements
    # One pass answers for nearly every vector: its squared length is NaN or infinite if any element is. In float64 no square
    # of a float32 overflows, which spares the look at NumPy's error state.
    wide = stored.astype(np.float64)
    if _SURELY_LONG <= wide.dot(wide) <= FLOAT32_MAX:
        return
    with np.errstate(over="ignore", under="ignore"):
        squared_length = float(stored.dot(stored))  # as pgvector computes it
    if 0.0 < squared_length <= FLOAT32_MAX:
        return
    finite = np.isfinite(stored)
    if not finite.all():
        at = int(finite.argmin())
        position = at if positions is None else positions[at]
        raise InvalidInputError(
            f"{what} has {elements[at]} as element {position} (counted from 0): {_why_refused(elements[at])}"
        )
    if distance == Distance.COSINE:
        state = "zero, or too small" if squared_length == 0.0 else "too long"
        raise InvalidInputError(
            f"{what} is {state} for the cosine distance, which divides by the length: scale it, and store NULL for a "
            "record without an embedding"
        )


def _why_refused(element: np.float32) -> str:
    if np.isfinite(element):
        return "halfvec stores numbers up to 65504; scale the vector, or declare the column with type='vector'"
    return "pgvector stores finite numbers only; look for a division by zero where the vector was made"
