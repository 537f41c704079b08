"""The codec of arrays.

Source of the format: array_recv() in Postgres' src/backend/utils/adt/arrayfuncs.c.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pgvec.execution.encoding.codec import Codec, framed_one

__all__ = ["array_codec"]

_HEADER = struct.Struct(">iiI")
_AXIS = struct.Struct(">ii")
_NULL = b"\xff\xff\xff\xff"


def array_codec(element_oid: int, element: Codec) -> Codec:
    """Return the codec of arrays whose elements have this type; lists may be nested, and have to be rectangular."""

    def one(value: Any) -> bytes:
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if not isinstance(value, list | tuple):
            raise TypeError(f"{value!r:.60} ({type(value).__name__}) is not a list")
        shape = _shape(value)
        if not all(shape):
            return _HEADER.pack(0, 0, element_oid)
        elements = list(_flat(value, shape))
        data, has_null = _encoded(elements, element)
        axes = b"".join(_AXIS.pack(length, 1) for length in shape)
        return _HEADER.pack(len(shape), has_null, element_oid) + axes + data

    return Codec(one)


def _encoded(elements: list[Any], element: Codec) -> tuple[bytes, bool]:
    has_null = any(item is None for item in elements)
    if not has_null and element.block is not None and (fields := element.block(elements)) is not None:
        data = np.empty((len(elements), fields.width), np.uint8)
        fields.write(data)
        return data.tobytes(), False
    return b"".join(_NULL if item is None else framed_one(element.one(item)) for item in elements), has_null


def _shape(value: Sequence[Any]) -> tuple[int, ...]:
    shape = []
    level: Any = value
    while isinstance(level, list | tuple):
        shape.append(len(level))
        level = level[0] if level else None
    return tuple(shape)


def _flat(value: Any, shape: tuple[int, ...]) -> Iterator[Any]:
    if not shape:
        if isinstance(value, list | tuple):
            raise ValueError("the list is nested to different depths: nested lists have to be rectangular")
        yield value
        return
    if not isinstance(value, list | tuple) or len(value) != shape[0]:
        raise ValueError("the nested lists differ in length: nested lists have to be rectangular")
    for item in value:
        yield from _flat(item, shape[1:])
