"""The query vector on the driver's own cursor: sent in binary, through an adapter that only this cursor knows."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.rows import tuple_row

__all__ = ["BinaryVector", "open_async_cursor", "open_cursor"]

# Number of dimensions, and two bytes of nothing.
_HEADER = struct.Struct(">HH")


class BinaryVector:
    """A dense vector to be bound as ``vector``, or as ``halfvec``."""

    __slots__ = ("element", "values")

    def __init__(self, values: NDArray[np.float32], *, half: bool = False) -> None:
        self.values = values
        self.element = ">f2" if half else ">f4"


class _BinaryVectorDumper(Dumper):
    """Writes the binary form of ``vector`` and ``halfvec``: a header, and the elements in network order.

    The types of an extension have other OIDs in every database. So the parameter is sent without one, and Postgres takes it
    for what the statement casts it to. Source: vector_recv() and halfvec_recv() in pgvector's src/.
    """

    format = Format.BINARY
    oid = 0

    def dump(self, obj: BinaryVector) -> bytes:
        return _HEADER.pack(len(obj.values), 0) + obj.values.astype(obj.element).tobytes()


def open_cursor(connection: psycopg.Connection[Any]) -> psycopg.Cursor[tuple[Any, ...]]:
    """Open a cursor that can send a :class:`BinaryVector`, whatever factories the caller's connection has."""
    cursor = psycopg.Cursor(connection, row_factory=tuple_row)
    cursor.adapters.register_dumper(BinaryVector, _BinaryVectorDumper)
    return cursor


def open_async_cursor(connection: psycopg.AsyncConnection[Any]) -> psycopg.AsyncCursor[tuple[Any, ...]]:
    """Open an asynchronous cursor that can send a :class:`BinaryVector`."""
    cursor = psycopg.AsyncCursor(connection, row_factory=tuple_row)
    cursor.adapters.register_dumper(BinaryVector, _BinaryVectorDumper)
    return cursor
