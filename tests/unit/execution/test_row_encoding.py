"""Blocks of binary COPY data, and the errors of rows, without a server."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import Transformer

from pgvec.errors import InvalidRowError
from pgvec.execution.encoding import BlockEncoder
from pgvec.execution.encoding.rows import Columns
from pgvec.execution.row_errors import as_load_error
from pgvec.model import Distance, VectorColumn, VectorType
from pgvec.statements.load_requests import BINARY_OIDS, LoadColumn, ValueType

OIDS = {name: oid for oid, name in BINARY_OIDS.items()}


def column(name: str, type_name: str, **changes: Any) -> LoadColumn:
    return LoadColumn(name, name, ValueType(OIDS.get(type_name, 90_000), type_name), **changes)


def vector(name: str, kind: VectorType, dimensions: int | None, distance: Distance = Distance.L2) -> LoadColumn:
    server = ValueType(1560 if kind is VectorType.BIT else 90_000, kind.value, extension="vector")
    return LoadColumn(name, name, server, VectorColumn(name, name, kind, dimensions), distance)


def encoder(*columns: LoadColumn, **options: Any) -> BlockEncoder:
    return BlockEncoder(columns, transformer=Transformer(), encoding="utf-8", timezone=UTC, **options)


def fields(data: Any, rows: int) -> list[list[bytes | None]]:
    """Take COPY data apart."""
    raw, at, parsed = bytes(data), 0, []
    for _ in range(rows):
        (count,) = struct.unpack_from(">h", raw, at)
        at += 2
        row: list[bytes | None] = []
        for _ in range(count):
            (length,) = struct.unpack_from(">i", raw, at)
            at += 4
            row.append(None if length < 0 else raw[at : at + length])
            at += max(length, 0)
        parsed.append(row)
    assert at == len(raw)
    return parsed


def encoded(kind: LoadColumn, *values: Any) -> list[bytes | None]:
    rows = [(value,) for value in values]
    return [row[0] for row in fields(encoder(kind).encode(rows), len(rows))]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)), min_size=1))
def test_integers(values: list[int | None]) -> None:
    """Whole numbers are big-endian, alone and between NULLs."""
    assert encoded(column("n", "int4"), *values) == [None if v is None else struct.pack(">i", v) for v in values]


@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), min_size=1, max_size=5))
def test_vectors_encode_alike_in_every_form(vectors: list[list[float]]) -> None:
    """Lists, tuples, arrays of both precisions and a whole matrix give the same bytes."""
    expected = [struct.pack(">HH3f", 3, 0, *values) for values in vectors]
    kind = vector("v", VectorType.VECTOR, 3)
    matrix = np.array(vectors)
    assert encoded(kind, *vectors) == expected
    assert encoded(kind, *map(tuple, vectors)) == expected
    assert encoded(kind, *matrix) == expected
    assert encoded(kind, *matrix.astype(">f4")) == expected
    assert [row[0] for row in fields(encoder(kind).encode(Columns({"v": matrix})), len(vectors))] == expected
    assert encoded(kind, None, *vectors) == [None, *expected]


def test_vector_types() -> None:
    """halfvec, sparsevec and bit are written in pgvector's own forms."""
    assert encoded(vector("v", VectorType.HALFVEC, 2), [1, 0.5]) == [struct.pack(">HH2e", 2, 0, 1, 0.5)]
    sparse = struct.pack(">iii2i2f", 5, 2, 0, 1, 3, 0.5, 2)
    assert encoded(vector("v", VectorType.SPARSEVEC, 5), {3: 2, 1: 0.5}, [0, 0.5, 0, 2, 0]) == [sparse, sparse]
    assert encoded(vector("v", VectorType.BIT, 9), "101000001") == [struct.pack(">i2B", 9, 0b10100000, 0b10000000)]
    assert encoded(vector("v", VectorType.VECTOR, None), [1], [1, 2]) == [
        struct.pack(">HHf", 1, 0, 1),
        struct.pack(">HH2f", 2, 0, 1, 2),
    ]


@pytest.mark.parametrize("many", [1, 100])
@pytest.mark.parametrize(
    ("kind", "bad", "message"),
    [
        (vector("v", VectorType.VECTOR, 2), [1], "1 dimensions"),
        (vector("v", VectorType.VECTOR, 2), [1, np.nan], "nan"),
        (vector("v", VectorType.VECTOR, 2), np.array([1, np.inf], np.float32), "inf"),
        (vector("v", VectorType.VECTOR, 2), [1, 1e300], "float32"),
        (vector("v", VectorType.HALFVEC, 2), [1, 70_000], "65504"),
        (vector("v", VectorType.VECTOR, 2, Distance.COSINE), [0, 0], "zero"),
        (vector("v", VectorType.VECTOR, 2), ["a", "b"], "real numbers"),
        (vector("v", VectorType.BIT, 2), [2, 1], "0 and 1"),
        (column("n", "int2"), 40_000, "not between"),
        (column("n", "int8"), 2**63, "not between"),
        (column("n", "float4"), 1e39, "float too large"),
        (column("n", "float8"), True, "not a number"),
        (column("n", "numeric"), "1", "not a number"),
        (column("n", "bool"), 1, "not a bool"),
        (column("n", "bytea"), "x", "not bytes"),
        (column("n", "uuid"), "x", "UUID"),
        (column("n", "date"), "2024-13-01", "month"),
        (column("n", "time"), 5, "not a time"),
        (column("n", "timetz"), time(1), "offset"),
        (column("n", "timestamp"), 5, "date and time"),
        (column("n", "interval"), 5, "timedelta"),
        (column("n", "jsonb"), {1, 2}, "set"),
        (LoadColumn("n", "n", ValueType(1, "_int4", element=ValueType(23, "int4"))), [[1], [2, 3]], "rectangular"),
        (LoadColumn("n", "n", ValueType(1, "_int4", element=ValueType(23, "int4"))), [1, [2]], "rectangular"),
        (LoadColumn("n", "n", ValueType(1, "_int4", element=ValueType(23, "int4"))), "12", "not a list"),
    ],
)
def test_refused_values_name_row_and_column(kind: LoadColumn, bad: Any, message: str, many: int) -> None:
    """A value that does not fit names its row, counted over all blocks, and its column."""
    made = encoder(kind)
    made.encode([(None,)] * 10)
    with pytest.raises(InvalidRowError, match=message) as caught:
        made.encode([*[(None,)] * (many - 1), (bad,), (None,)])
    assert caught.value.position == 10 + many
    assert caught.value.key == kind.attribute


def test_zero_vectors_are_no_problem_elsewhere() -> None:
    """Only the cosine distance refuses a zero vector."""
    assert encoded(vector("v", VectorType.VECTOR, 1), [0.0], [1.0]) == [
        struct.pack(">HHf", 1, 0, 0),
        struct.pack(">HHf", 1, 0, 1),
    ]


def test_columns_of_changing_length_are_interleaved() -> None:
    """Columns of fixed and of changing length, NULLs and positions come out row by row in their order."""
    made = encoder(
        column("s", "text"),
        column("n", "int2"),
        column("b", "bool"),
        column("t", "text"),
        column("f", "float4"),
        positions=True,
    )
    rows = [{"s": "ä", "n": 1, "b": True, "t": None, "f": 1.0}, {"s": "", "n": None, "b": False, "t": "xyz", "f": 2}]
    assert fields(made.encode(rows), 2) == [
        [struct.pack(">q", 1), "ä".encode(), b"\0\1", b"\1", None, struct.pack(">f", 1)],
        [struct.pack(">q", 2), b"", None, b"\0", b"xyz", struct.pack(">f", 2)],
    ]
    assert fields(made.encode(rows[:1]), 1)[0][0] == struct.pack(">q", 3)


def test_numpy_times() -> None:
    """NumPy's times of any resolution are times, and NaT is NULL."""
    days = np.array(["2024-05-01", "NaT"], dtype="datetime64[ns]")
    data = encoder(column("d", "date")).encode(Columns({"d": days}))
    assert fields(data, 2) == [[struct.pack(">i", (date(2024, 5, 1) - date(2000, 1, 1)).days)], [None]]
    moment = datetime(2024, 5, 1, 12, 0, 0, 500_000)  # noqa: DTZ001
    expected = struct.pack(">q", (moment - datetime(2000, 1, 1)) // timedelta(microseconds=1))  # noqa: DTZ001
    assert encoded(column("d", "timestamp"), np.datetime64(moment), moment) == [expected, expected]


def test_conversion_in_a_block_that_fails() -> None:
    """What a type of SQLAlchemy cannot convert is the row's fault, and an application's other errors pass through."""
    made = encoder(column("n", "int4", bind=lambda value: 1 // value))
    with pytest.raises(InvalidRowError, match="Row 2") as caught:
        made.encode([(1,), (0,)])
    assert caught.value.position == 2

    class OtherError(Exception):
        pass

    def broken(_value: object) -> None:
        raise OtherError

    with pytest.raises(OtherError):
        encoder(column("n", "int4", bind=broken)).encode([(1,)])


def test_blocks_grow_to_a_size() -> None:
    """Blocks hold about half a megabyte, whatever the width of a row."""
    wide, narrow = encoder(vector("v", VectorType.VECTOR, 10_000)), encoder(column("n", "int2"))
    wide.encode([(np.ones(10_000, np.float32),)] * 3)
    narrow.encode([(1,)] * 3)
    assert wide.block_rows == 13
    assert narrow.block_rows == 10_000


class _Refusal(psycopg.errors.UniqueViolation):
    """An error of the server with a context."""

    def __init__(self, context: str | None) -> None:
        super().__init__("refused")
        self._context = context

    @property
    def diag(self) -> Any:
        from types import SimpleNamespace

        return SimpleNamespace(
            message_primary="refused", message_detail=None, constraint_name="c", column_name=None, context=self._context
        )


@pytest.mark.parametrize(
    ("context", "relation", "position"),
    [
        ("COPY item, line 12", "item", 12),
        ("COPY item7, line 12, column c9", "item7", 12),
        ("COPY item, Zeile 12, Spalte item", "item", 12),
        ("itemのCOPY、行 12、列 c", "item", 12),
        ("item 복사, 12번째 줄, c 열", "item", 12),
        ("PL/pgSQL function f() line 3 at RAISE\nCOPY item, line 12", "item", 12),
        ("PL/pgSQL function f() line 3 at RAISE", "item", None),
        ("COPY item", "item", None),
        (None, "item", None),
    ],
)
def test_position_from_the_context(context: str | None, relation: str, position: int | None) -> None:
    """The row is read from the context of COPY in any language, and from nothing else."""
    error = as_load_error(_Refusal(context), relation)
    assert error.position == position  # type: ignore[attr-defined]
