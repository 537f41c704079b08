"""What pgvector can store, compare and index, as data, and what to do where it cannot.

Sources: https://github.com/pgvector/pgvector (README, sections HNSW, IVFFlat and Reference); each number is tested against a
server, in ``tests/integration/test_orm_rules.py``.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from pgvec.errors import InvalidOptionError, MappingError
from pgvec.model import Distance, IndexMethod, VectorColumn, VectorIndex, VectorType

__all__ = [
    "DEFAULT_DISTANCE",
    "DISTANCES",
    "INDEXED_DISTANCES",
    "MAX_INDEXED_DIMENSIONS",
    "MAX_PLAIN_BYTES",
    "MAX_SPARSE_ELEMENTS",
    "MAX_STORED_DIMENSIONS",
    "QUANTIZATIONS",
    "SERVED_BY_BITS",
    "check_distance",
    "check_index",
    "check_plain_storage",
    "choose",
    "whole_number",
]

_Choice = TypeVar("_Choice", bound=StrEnum)

MAX_STORED_DIMENSIONS = {
    VectorType.VECTOR: 16_000,
    VectorType.HALFVEC: 16_000,
    VectorType.SPARSEVEC: 1_000_000_000,
    VectorType.BIT: 83_886_080,
}
MAX_SPARSE_ELEMENTS = 16_000
"""Elements of a ``sparsevec`` that are not zero. (With an HNSW index on it, 1,000 in each row.)"""

_OF_NUMBERS = frozenset({Distance.COSINE, Distance.L2, Distance.INNER_PRODUCT, Distance.L1})
_OF_BITS = frozenset({Distance.HAMMING, Distance.JACCARD})

DISTANCES = {
    VectorType.VECTOR: _OF_NUMBERS,
    VectorType.HALFVEC: _OF_NUMBERS,
    VectorType.SPARSEVEC: _OF_NUMBERS,
    VectorType.BIT: _OF_BITS,
}
DEFAULT_DISTANCE = {
    VectorType.VECTOR: Distance.COSINE,
    VectorType.HALFVEC: Distance.COSINE,
    VectorType.SPARSEVEC: Distance.COSINE,
    VectorType.BIT: Distance.HAMMING,
}

INDEXED_DISTANCES = {
    (IndexMethod.HNSW, VectorType.VECTOR): _OF_NUMBERS,
    (IndexMethod.HNSW, VectorType.HALFVEC): _OF_NUMBERS,
    (IndexMethod.HNSW, VectorType.SPARSEVEC): _OF_NUMBERS,
    (IndexMethod.HNSW, VectorType.BIT): _OF_BITS,
    (IndexMethod.IVFFLAT, VectorType.VECTOR): _OF_NUMBERS - {Distance.L1},
    (IndexMethod.IVFFLAT, VectorType.HALFVEC): _OF_NUMBERS - {Distance.L1},
    (IndexMethod.IVFFLAT, VectorType.SPARSEVEC): frozenset(),
    (IndexMethod.IVFFLAT, VectorType.BIT): frozenset({Distance.HAMMING}),
}
MAX_INDEXED_DIMENSIONS = {
    VectorType.VECTOR: 2_000,
    VectorType.HALFVEC: 4_000,
    VectorType.SPARSEVEC: 1_000_000_000,
    VectorType.BIT: 64_000,
}

QUANTIZATIONS = {
    VectorType.VECTOR: (VectorType.HALFVEC, VectorType.BIT),
    VectorType.HALFVEC: (VectorType.BIT,),
    VectorType.SPARSEVEC: (),
    VectorType.BIT: (),
}
# Signs keep the angle between vectors, roughly; the sum of absolute differences they do not.
SERVED_BY_BITS = _OF_NUMBERS - {Distance.L1}

MAX_PLAIN_BYTES = 8_128
"""Bytes of a vector that still fit into a page of 8 kB beside a row header and a ``bigint`` key."""


def choose(choices: type[_Choice], value: str, option: str) -> _Choice:
    """Return the member of ``choices`` that ``value`` names; ``option`` is the argument's name, for the message.

    Raises:
        InvalidOptionError: There is no such member.
    """
    try:
        return choices(value)
    except ValueError as error:
        raise InvalidOptionError(f"{option}={value!r} is not one of {_listed(choices)}") from error


def whole_number(value: int, option: str, least: int, most: int) -> int:
    """Check that an option is a whole number from ``least`` to ``most``.

    Raises:
        InvalidOptionError: It is not.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number <= most:
        raise InvalidOptionError(f"{option}={value!r} is not a whole number from {least} to {most}")
    return number


def check_distance(kind: VectorType, distance: Distance) -> None:
    """Check that vectors of a type can be compared by a distance.

    Raises:
        InvalidOptionError: They cannot.
    """
    if distance not in DISTANCES[kind]:
        raise InvalidOptionError(
            f"distance={distance.value!r} is not defined for type={kind.value!r}: choose from {_listed(DISTANCES[kind])}"
        )


def check_plain_storage(kind: VectorType, dimensions: int) -> None:
    """Check that every vector of a type fits into a page, as ``STORAGE PLAIN`` demands.

    Raises:
        InvalidOptionError: None would; its message names the way out. (Of ``sparsevec`` that depends on the row.)
    """
    bits = {VectorType.VECTOR: 32, VectorType.HALFVEC: 16, VectorType.BIT: 1, VectorType.SPARSEVEC: 0}[kind]
    if 8 + -(-dimensions * bits // 8) > MAX_PLAIN_BYTES:
        most = (MAX_PLAIN_BYTES - 8) * 8 // bits
        way_out = f"; type='halfvec' reaches {most * 2}" if kind is VectorType.VECTOR else ""
        raise InvalidOptionError(
            f"storage='plain' keeps a vector inside its page of 8 kB, which ends at {most} dimensions of {kind.value}, not "
            f"{dimensions}: leave storage out{way_out}"
        )


def check_index(column: VectorColumn, index: VectorIndex) -> None:
    """Check that pgvector can build an index on a column.

    Raises:
        MappingError: It cannot; the message names the way out.
    """
    what = f"{index.method.value} index on {column.attribute!r}"
    if index.quantization is not None:
        _check_quantization(column, index, index.quantization, what)
    if index.dimensions is not None:
        _check_leading_dimensions(column, index.dimensions, what)
    stored = index.quantization or column.type
    distance = Distance.HAMMING if index.quantization is VectorType.BIT else index.distance
    served = INDEXED_DISTANCES[index.method, stored]
    if distance not in served:
        raise MappingError(
            f"{what}: pgvector's {index.method.value} does not serve the {distance.value} distance of {stored.value}; "
            + (f"use HnswIndex, or one of the distances {_listed(served)}" if served else "use HnswIndex")
        )
    dimensions = index.dimensions or column.dimensions
    if dimensions is None:
        raise MappingError(f"{what}: the column has no number of dimensions; declare it, as in Embedding(384)")
    if dimensions > MAX_INDEXED_DIMENSIONS[stored]:
        raise MappingError(
            f"{what}: pgvector indexes up to {MAX_INDEXED_DIMENSIONS[stored]} dimensions of {stored.value}, not "
            f"{dimensions}; {_way_out(column, index, dimensions)}"
        )


def _check_quantization(column: VectorColumn, index: VectorIndex, quantization: VectorType, what: str) -> None:
    possible = QUANTIZATIONS[column.type]
    if quantization not in possible:
        raise MappingError(
            f"{what}: quantization={quantization.value!r} does not make {column.type.value} smaller; "
            + (f"use {_listed(possible)}, or leave it out" if possible else "leave it out")
        )
    if quantization is VectorType.BIT and index.distance not in SERVED_BY_BITS:
        raise MappingError(
            f"{what}: quantization='bit' keeps signs only, which tell nothing of the {index.distance.value} distance; use "
            "quantization='halfvec', or leave it out"
        )


def _check_leading_dimensions(column: VectorColumn, dimensions: int, what: str) -> None:
    if column.type not in {VectorType.VECTOR, VectorType.HALFVEC}:
        raise MappingError(f"{what}: dimensions={dimensions} works for vector and halfvec, not for {column.type.value}")
    if column.dimensions is not None and dimensions >= column.dimensions:
        raise MappingError(
            f"{what}: dimensions={dimensions} is no part of the column's {column.dimensions}; give fewer, or leave it out"
        )


def _way_out(column: VectorColumn, index: VectorIndex, dimensions: int) -> str:
    stored = index.quantization or column.type
    ways = [
        f"quantization={smaller.value!r}"
        for smaller in QUANTIZATIONS[column.type]
        if smaller is not stored
        and dimensions <= MAX_INDEXED_DIMENSIONS[smaller]
        and (smaller is not VectorType.BIT or index.distance in SERVED_BY_BITS)
    ]
    if column.type in {VectorType.VECTOR, VectorType.HALFVEC}:
        ways.append(
            f"dimensions={MAX_INDEXED_DIMENSIONS[stored]} or fewer, where the model's leading dimensions suffice"
        )
    return "use " + ", or ".join(ways) if ways else "leave the index out and search exactly"


def _listed(choices: Iterable[StrEnum]) -> str:
    return ", ".join(repr(choice.value) for choice in sorted(choices))
