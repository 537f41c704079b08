"""Bring vectors as callers give them into one form: any sequence, array or pgvector object in, NumPy arrays out."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pgvec.errors import InvalidInputError
from pgvec.model import VectorType
from pgvec.orm.rules import MAX_STORED_DIMENSIONS

__all__ = ["FLOAT32_MAX", "BitValue", "SparseValue", "as_array", "as_bits", "as_sparse"]

FLOAT32_MAX = float(np.finfo(np.float32).max)

# pgvector-python moved these classes between its versions, and their objects may come from any of them.
_DENSE_CLASSES = {"Vector", "HalfVector", "SparseVector"}


@dataclass(frozen=True, slots=True, eq=False)
class SparseValue:
    """A value of a ``sparsevec`` column.

    Attributes:
        indices: Positions of the elements that are not zero, counted from 0, ascending (int32).
        values: The elements at these positions (float32).
        dimensions: Number of dimensions in all.
    """

    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    dimensions: int


@dataclass(frozen=True, slots=True, eq=False)
class BitValue:
    """A value of a ``bit`` column: one bool for each dimension."""

    bits: NDArray[np.bool_]


def as_array(value: object, *, what: str = "vector") -> NDArray[np.float32]:
    """Turn a dense vector into a contiguous float32 array of shape ``(dimensions,)``.

    An array that has this form already is returned as it is, not copied.

    Args:
        value: A list, tuple or NumPy array of real numbers, an object with ``__array__``, or pgvector-python's ``Vector``,
            ``HalfVector`` or ``SparseVector``.
        what: What the value is, for messages.

    Raises:
        InvalidInputError: It is no such value, has no or several axes, or an element does not fit into float32.
    """
    # A big-endian dtype compares unequal to np.float32, so it takes the way that makes it native.
    if type(value) is np.ndarray and value.dtype == np.float32 and value.ndim == 1 and value.size:
        return np.ascontiguousarray(value)
    given = _real_array(value, what)
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(given, dtype=np.float32)
    overflown = np.isinf(converted) & np.isfinite(given)
    if overflown.any():
        at = int(overflown.argmax())
        raise InvalidInputError(
            f"{what} has {given[at]} as element {at} (counted from 0), which is beyond float32: pgvector stores numbers up "
            f"to {FLOAT32_MAX:.4g}; scale the vector"
        )
    return converted


def as_sparse(value: Any, dimensions: int | None, *, what: str) -> SparseValue:
    """Turn a dense or sparse vector, or a mapping from index to element, into a sparse value.

    Args:
        value: What :func:`as_array` takes, a mapping with indices from 0, or a sparse array of SciPy.
        dimensions: Dimensions that a mapping has, or None where they are not declared.
        what: What the value is, for messages.
    """
    if isinstance(value, SparseValue):
        return value
    if _is_pgvector_sparse(value):
        return _from_pairs(dict(zip(value.indices(), value.values(), strict=True)), value.dimensions(), what)
    if isinstance(value, Mapping):
        if dimensions is None:
            _refuse(value, what, "a mapping needs a column with declared dimensions; give a SparseVector instead")
        return _from_pairs(value, dimensions, what)
    if hasattr(value, "tocoo"):
        return _from_scipy(value.tocoo(copy=True), what)
    dense = as_array(value, what=what)
    indices = np.flatnonzero(dense).astype(np.int32)
    return SparseValue(indices, dense[indices], dense.size)


def as_bits(value: Any, *, what: str) -> BitValue:
    """Turn a string of 0 and 1, bools, whole numbers 0 and 1, or pgvector-python's ``Bit`` into a bit value."""
    if isinstance(value, BitValue):
        return value
    if isinstance(value, str):
        if not value or set(value) - {"0", "1"}:
            _refuse(value, what, "a bit string consists of 0 and 1")
        return BitValue(np.frombuffer(value.encode("ascii"), dtype=np.uint8) == ord("1"))
    if type(value).__name__ == "Bit" and hasattr(value, "to_numpy"):
        value = value.to_numpy()
    given = _real_array(value, what)
    if given.dtype.kind == "f" or ((given != 0) & (given != 1)).any():
        _refuse(
            value, what, "elements of a bit vector are bools, or whole numbers 0 and 1; quantize it, e.g. array > 0"
        )
    return BitValue(np.ascontiguousarray(given, dtype=np.bool_))


def _real_array(value: Any, what: str) -> NDArray[Any]:
    if _is_pgvector_sparse(value) and value.dimensions() > MAX_STORED_DIMENSIONS[VectorType.VECTOR]:
        _refuse(value, what, f"it has {value.dimensions()} dimensions, too many for a dense vector")
    if type(value).__name__ in _DENSE_CLASSES and hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if not isinstance(value, list | tuple | array) and not hasattr(value, "__array__"):
        _refuse(value, what, "give a list, tuple or NumPy array of real numbers, or an object of pgvector-python")
    try:
        given: NDArray[Any] = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        _refuse(value, what, str(error), cause=error)
    if given.ndim != 1:
        _refuse(value, what, f"it has the shape {given.shape}, where one axis is needed")
    if not given.size:
        _refuse(value, what, "it is empty")
    if given.dtype.kind not in "biuf":
        strange = next((element for element in given if not isinstance(element, int | float)), given[0])
        _refuse(value, what, f"elements such as {strange!r:.40} are no real numbers that NumPy has a dtype for")
    return given


def _is_pgvector_sparse(value: object) -> bool:
    return type(value).__name__ == "SparseVector" and hasattr(value, "indices")


def _from_scipy(coordinates: Any, what: str) -> SparseValue:
    dimensions = int(coordinates.shape[-1])
    if coordinates.shape not in {(dimensions,), (1, dimensions)}:
        _refuse(coordinates, what, f"it has the shape {coordinates.shape}, where one axis is needed")
    coordinates.sum_duplicates()
    return _from_pairs(dict(zip(coordinates.col.tolist(), coordinates.data.tolist(), strict=True)), dimensions, what)


def _from_pairs(pairs: Mapping[Any, Any], dimensions: int, what: str) -> SparseValue:
    for index in pairs:
        if isinstance(index, bool) or not isinstance(index, int | np.integer) or not 0 <= index < dimensions:
            _refuse(pairs, what, f"its index {index!r} is not a whole number from 0 to {dimensions - 1}")
    if not pairs:
        return SparseValue(np.empty(0, np.int32), np.empty(0, np.float32), dimensions)
    elements = as_array(list(pairs.values()), what=what)
    indices = np.fromiter(pairs, dtype=np.int32, count=len(pairs))
    order = np.argsort(indices)
    order = order[elements[order] != 0]
    return SparseValue(indices[order], elements[order], dimensions)


def _refuse(value: object, what: str, reason: str, *, cause: Exception | None = None) -> NoReturn:
    raise InvalidInputError(f"{what} of type {type(value).__name__} cannot be used: {reason}") from cause
