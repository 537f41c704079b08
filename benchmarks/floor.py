"""The floor: what a very good engineer writes by hand with psycopg and pgvector-python for this one table.

Nothing here comes from pgvec. The connections are the engineer's own, so he registers pgvector's types on them, prepares his
statements, sends and receives in binary, and knows beforehand that the index answers the question. One thing he does
better than pgvector-python: his dumper for NumPy takes a third of the time of the one that it registers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
import psycopg
from pgvector.psycopg import register_vector, register_vector_async
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.rows import TupleRow
from psycopg.types import TypeInfo
from psycopg_pool import ConnectionPool

from benchmarks.data import Row, Vectors

__all__ = ["AsyncFloor", "Floor", "FloorLoader", "PooledFloor", "register_types"]

_SEARCH = b"""
    SELECT id, label, embedding <-> %(query)b AS distance
      FROM item
     ORDER BY embedding <-> %(query)b
     LIMIT 10
"""
# pgvector's own recipe for filters: iterate in relaxed order, and sort the ten again.
_SEARCH_FILTERED = b"""
    WITH nearest AS MATERIALIZED (
        SELECT id, label, embedding <-> %(query)b AS distance
          FROM item
         WHERE label = %(label)b
         ORDER BY embedding <-> %(query)b
         LIMIT 10)
    SELECT id, label, distance FROM nearest ORDER BY distance + 0
"""
_COPY = b"COPY item (id, label, embedding) FROM STDIN (FORMAT BINARY)"


class _VectorDumper(Dumper):
    """Writes a float32 array in the binary form of ``vector``: dimensions, two bytes of nothing, big-endian floats."""

    format = Format.BINARY

    def dump(self, obj: Vectors) -> bytes:
        return struct.pack(">HH", len(obj), 0) + obj.astype(">f4").tobytes()


class Floor:
    """Searches on one connection, inside one open transaction."""

    def __init__(self, conninfo: str) -> None:
        self._connection = psycopg.connect(conninfo)
        register_types(self._connection)

    def search(self, query: Vectors) -> list[TupleRow]:
        """Return id, label and distance of the ten nearest."""
        with self._connection.cursor(binary=True) as cursor:
            return cursor.execute(_SEARCH, {"query": query}, prepare=True).fetchall()

    def iterate(self) -> None:
        """Let index scans of this transaction go on until a filter has let enough through."""
        self._connection.execute("SET LOCAL hnsw.iterative_scan = 'relaxed_order'")

    def search_filtered(self, query: Vectors, label: int) -> list[TupleRow]:
        """Return the ten nearest with a label."""
        with self._connection.cursor(binary=True) as cursor:
            return cursor.execute(_SEARCH_FILTERED, {"query": query, "label": label}, prepare=True).fetchall()

    def close(self) -> None:
        """End the transaction and the connection."""
        self._connection.close()


class PooledFloor:
    """Searches on a connection from a pool, each time in a transaction of its own."""

    def __init__(self, conninfo: str) -> None:
        self._pool = ConnectionPool(conninfo, min_size=1, max_size=1, configure=_configure, open=True)
        self._pool.wait()

    def search(self, query: Vectors) -> list[TupleRow]:
        """Return id, label and distance of the ten nearest."""
        with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            return cursor.execute(_SEARCH, {"query": query}, prepare=True).fetchall()

    def close(self) -> None:
        """Close the pool."""
        self._pool.close()


class AsyncFloor:
    """Searches on one asynchronous connection, inside one open transaction."""

    def __init__(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        self._connection = connection

    @classmethod
    async def connect(cls, conninfo: str) -> AsyncFloor:
        """Open the connection."""
        connection = await psycopg.AsyncConnection.connect(conninfo)
        await register_vector_async(connection)
        _register_dumper(connection, await TypeInfo.fetch(connection, "vector"))
        return cls(connection)

    async def search(self, query: Vectors) -> list[TupleRow]:
        """Return id, label and distance of the ten nearest."""
        async with self._connection.cursor(binary=True) as cursor:
            await cursor.execute(_SEARCH, {"query": query}, prepare=True)
            return await cursor.fetchall()

    async def close(self) -> None:
        """End the transaction and the connection."""
        await self._connection.close()


class FloorLoader:
    """Loads rows by binary COPY straight into the table: ``set_types`` and ``write_row``, with the dumper above."""

    def __init__(self, conninfo: str) -> None:
        self._connection = psycopg.connect(conninfo)
        register_types(self._connection)
        self._connection.commit()

    def begin(self) -> None:
        """Open the transaction that the next load belongs to."""
        self._connection.execute("SELECT 1")

    def load(self, rows: Iterable[Row]) -> None:
        """Load rows, without a commit."""
        with self._connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(["int4", "int4", "vector"])
            for row in rows:
                copy.write_row(row)

    def commit(self) -> None:
        """Commit what was loaded."""
        self._connection.commit()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _configure(connection: psycopg.Connection[Any]) -> None:
    register_types(connection)
    connection.commit()


def register_types(connection: psycopg.Connection[Any]) -> None:
    """Let a connection of the engineer send and receive vectors."""
    register_vector(connection)
    _register_dumper(connection, TypeInfo.fetch(connection, "vector"))


def _register_dumper(connection: psycopg.BaseConnection[Any], info: TypeInfo | None) -> None:
    assert info is not None, "the database has the extension"
    dumper = type("VectorDumper", (_VectorDumper,), {"oid": info.oid})
    connection.adapters.register_dumper(np.ndarray, dumper)
