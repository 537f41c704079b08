"""Vectors as callers give them: what is taken, what is refused, and how it is written and read."""

from __future__ import annotations

import struct
from array import array

import numpy as np
import pgvector.sqlalchemy  # noqa: F401 - loads every version's classes
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pgvec.errors import DimensionMismatchError, InvalidInputError
from pgvec.model import Distance, VectorColumn, VectorType
from pgvec.orm.values import SparseValue, SparseVector, as_array, check_value, decode, to_text

try:
    from pgvector import Bit, HalfVector, Vector
except ImportError:  # pgvector-python before 0.4
    from pgvector.utils import Bit, HalfVector, Vector

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
HALVES = st.floats(width=16, allow_nan=False, allow_infinity=False)


def column(kind: str, dimensions: int | None = 3) -> VectorColumn:
    return VectorColumn(attribute="embedding", name="embedding", type=VectorType(kind), dimensions=dimensions)


def text_of(value: object, kind: str = "vector", dimensions: int | None = 3, distance: Distance | None = None) -> str:
    return to_text(check_value(value, column(kind, dimensions), distance=distance))


@pytest.mark.parametrize(
    "value",
    [
        [1, 2, 3],
        (1.0, 2, np.float16(3)),
        array("d", [1, 2, 3]),
        np.array([1, 2, 3], dtype=np.int8),
        np.array([1, 2, 3], dtype=np.uint64),
        np.array([1, 2, 3], dtype=np.float16),
        np.array([1, 2, 3], dtype=np.float64),
        np.array([1, 2, 3], dtype=np.longdouble),
        np.array([1, 2, 3], dtype=">f4"),
        np.array([3, 9, 2, 9, 1], dtype=np.float32)[::-2],
        Vector([1, 2, 3]),
        HalfVector([1, 2, 3]),
        SparseVector({0: 1, 1: 2, 2: 3}, 3),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')}",
)
def test_takes_every_form_of_a_dense_vector(value):
    """Lists, tuples, arrays of any real dtype and layout, and pgvector's objects become the same float32 array."""
    taken = as_array(value)
    assert taken.dtype == np.dtype("=f4")
    assert taken.flags.c_contiguous
    assert taken.tolist() == [1, 2, 3]


def test_a_read_only_array_is_neither_copied_nor_changed():
    """A contiguous float32 array is used as it is, even where it cannot be written."""
    given_array = np.array([1, 2, 3], dtype=np.float32)
    given_array.flags.writeable = False
    assert np.shares_memory(as_array(given_array), given_array)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[1,2,3]", "type str"),
        (b"123", "type bytes"),
        (None, "type NoneType"),
        (5, "type int"),
        ({0: 1}, "type dict"),
        ({1, 2}, "type set"),
        ([], "is empty"),
        (np.float32(1), r"shape \(\)"),
        (np.ones((1, 3)), r"shape \(1, 3\)"),
        ([[1, 2], [3]], "cannot be used"),
        ([1, None, 3], "elements such as None"),
        (["1", "2", "3"], "elements such as"),
        ([1j, 2, 3], "elements such as"),
        (np.array([1, 2, 3], dtype=object), "elements such as"),
        ([10**400, 1, 1], "elements such as 1000"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "elements such as"),
        ([0, 1e39, 1], "1e\\+39 as element 1.*beyond float32"),
        (Bit("101"), "type Bit"),
        (SparseVector({0: 1.0}, 10**9), "too many for a dense vector"),
    ],
)
def test_refuses_what_is_no_dense_vector(value, message):
    """Anything else than one axis of real numbers within float32 is refused with the reason."""
    with pytest.raises(InvalidInputError, match=message):
        as_array(value)


@pytest.mark.parametrize("kind", ["vector", "halfvec", "sparsevec"])
@pytest.mark.parametrize(("element", "shown"), [(float("nan"), "nan"), (float("inf"), "inf"), (float("-inf"), "-inf")])
def test_refuses_elements_that_are_not_finite(kind, element, shown):
    """NaN and infinities are refused and their position is named."""
    with pytest.raises(InvalidInputError, match=f"has {shown} as element 1"):
        text_of([1, element, 2], kind)


@pytest.mark.parametrize(
    ("kind", "value"), [("vector", [1, 2]), ("sparsevec", [1, 2]), ("bit", "01"), ("halfvec", [1] * 4)]
)
def test_refuses_another_number_of_dimensions(kind, value):
    """A vector of another length than the column's is refused; the error carries both numbers."""
    with pytest.raises(DimensionMismatchError, match="'embedding' has 3") as caught:
        text_of(value, kind)
    assert (caught.value.expected, caught.value.actual) == (3, len(value))


def test_refuses_more_dimensions_than_the_type_stores():
    """Where a column declares no number of dimensions, the type's own limit holds."""
    assert text_of([1, 2], dimensions=None) == "[1,2]"
    with pytest.raises(DimensionMismatchError, match="up to 16000"):
        text_of(np.ones(16_001), dimensions=None)


@pytest.mark.parametrize("kind", ["vector", "halfvec", "sparsevec"])
@pytest.mark.parametrize("value", [[0, 0, 0], [1e-30, 0, 0], [1e-46, 0, 0]])
def test_refuses_a_zero_vector_under_cosine_only(kind, value):
    """A vector whose length is zero in float32 has no cosine distance, though every other distance takes it."""
    with pytest.raises(InvalidInputError, match="cosine"):
        text_of(value, kind, distance=Distance.COSINE)
    assert text_of(value, kind, distance=Distance.L2)


def test_refuses_a_vector_too_long_for_cosine():
    """A vector whose squared length is beyond float32 would have NaN for a cosine distance."""
    with pytest.raises(InvalidInputError, match="too long for the cosine distance"):
        text_of([1e30, 1, 1], distance=Distance.COSINE)
    assert text_of([1e30, 1, 1], distance=Distance.L2)


def test_halfvec_ends_at_its_largest_number():
    """What rounds to infinity in half precision is refused, and what rounds down to the largest number is not."""
    assert text_of([65504, 65519, 1], "halfvec")
    with pytest.raises(InvalidInputError, match=r"65520\.0 as element 2.*65504"):
        text_of([1, 1, 65520], "halfvec")


def test_halfvec_knows_what_vanishes_in_half_precision():
    """A vector that half precision rounds to zero is a zero vector."""
    with pytest.raises(InvalidInputError, match="zero, or too small"):
        text_of([1e-9, 0, 0], "halfvec", distance=Distance.COSINE)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({2: 1.5, 0: 2}, "{1:2,3:1.5}/3"),
        ({np.int64(1): np.float64(0.5), 0: 0}, "{2:0.5}/3"),
        ({}, "{}/3"),
        ([0, 7, 0], "{2:7}/3"),
        (np.array([0, 0, 7], dtype=">f8"), "{3:7}/3"),
        (SparseVector({1: 4.0}, 3), "{2:4}/3"),
        (Vector([0, 4, 0]), "{2:4}/3"),
        ([1e-46, 1, 0], "{2:1}/3"),
    ],
)
def test_takes_every_form_of_a_sparse_vector(value, text):
    """Mappings count from 0, and zeros are left out, also those that float32 makes."""
    assert text_of(value, "sparsevec") == text


@pytest.mark.parametrize("index", [3, -1, True, "0", 0.0, None])
def test_refuses_indices_outside_of_the_vector(index):
    """An index of a mapping is a whole number within the column's dimensions."""
    with pytest.raises(InvalidInputError, match=r"from 0 to 2"):
        text_of({index: 1.0}, "sparsevec")


def test_a_mapping_needs_declared_dimensions():
    """A mapping tells no number of dimensions, so that a column without one cannot take it."""
    with pytest.raises(InvalidInputError, match="declared dimensions"):
        text_of({0: 1.0}, "sparsevec", None)


def test_refuses_too_many_elements_that_are_not_zero():
    """A sparsevec stores 16,000 elements that are not zero."""
    with pytest.raises(InvalidInputError, match="16001 elements"):
        text_of(dict.fromkeys(range(16_001), 1.0), "sparsevec", 20_000)


def test_takes_sparse_arrays_of_scipy():
    """A sparse array or one-row matrix of SciPy is taken, with duplicates summed; the caller's object stays as it is."""
    sparse = pytest.importorskip("scipy.sparse")
    twice = sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(1, 3))
    assert text_of(twice, "sparsevec") == "{2:3}/3"
    assert twice.nnz == 2
    with pytest.raises(InvalidInputError, match="shape"):
        text_of(sparse.csr_matrix([[1, 0, 0], [0, 1, 0]]), "sparsevec")


@pytest.mark.parametrize(
    "value", ["010", [False, True, False], (0, 1, 0), np.array([0, 1, 0], dtype=np.uint8), Bit("010")], ids=str
)
def test_takes_every_form_of_a_bit_vector(value):
    """Strings, bools, whole numbers 0 and 1 and pgvector's Bit mean the same bits."""
    assert text_of(value, "bit") == "010"


@pytest.mark.parametrize("value", ["", "012", b"\x01", [0, 1, 2], [0.0, 1.0, 0.0], Vector([0, 1, 0]), None])
def test_refuses_what_is_no_bit_vector(value):
    """Numbers are not quantized silently, and bytes do not tell their length in bits."""
    with pytest.raises(InvalidInputError):
        text_of(value, "bit")


def test_names_the_value_in_messages():
    """A message says which of several values it is about."""
    with pytest.raises(InvalidInputError, match=r"^query vector has"):
        check_value([1], column("vector"), distance=None, what="query vector")


@given(hnp.arrays(np.float32, st.integers(1, 40), elements=FLOATS))
def test_text_of_a_vector_keeps_every_bit(vector):
    """What is written as text is read back as exactly the same float32 values."""
    text = to_text(check_value(vector, column("vector", vector.size), distance=None))
    assert np.array_equal(decode(text, VectorType.VECTOR), vector)


@given(st.lists(HALVES, min_size=1, max_size=40))
def test_text_of_a_halfvec_keeps_every_bit(elements):
    """What half precision can hold is read back as it was."""
    text = to_text(check_value(elements, column("halfvec", len(elements)), distance=None))
    assert decode(text, VectorType.HALFVEC).tolist() == elements


@given(st.dictionaries(st.integers(0, 999), FLOATS, max_size=30))
def test_text_of_a_sparsevec_keeps_every_element(elements):
    """Every element that is not zero comes back at its place."""
    read = decode(text_of(elements, "sparsevec", 1000), VectorType.SPARSEVEC)
    stored = np.array(read.values(), dtype=np.float32).tolist()
    assert dict(zip(read.indices(), stored, strict=True)) == {i: element for i, element in elements.items() if element}
    assert read.dimensions() == 1000


@given(hnp.arrays(np.bool_, st.integers(1, 70)))
def test_text_of_bits_keeps_every_bit(bits):
    """Bits come back as bools."""
    assert np.array_equal(decode(text_of(bits, "bit", bits.size), VectorType.BIT), bits)


@given(hnp.arrays(hnp.floating_dtypes() | hnp.integer_dtypes() | hnp.boolean_dtypes(), st.integers(1, 12)))
def test_every_real_array_is_checked_and_never_crashes(vector):
    """Any real array is either taken as the nearest float32 values or refused with InvalidInputError."""
    try:
        taken = check_value(vector, column("vector", vector.size), distance=None)
    except InvalidInputError:
        largest = np.finfo(np.float32).max
        assert not (np.isfinite(vector) & (np.abs(vector.astype(np.float64)) <= largest)).all()
    else:
        assert np.array_equal(taken, vector.astype(np.float32))


@pytest.mark.parametrize(
    ("raw", "kind", "expected"),
    [
        (struct.pack(">HH2f", 2, 0, 1, 2), "vector", [1, 2]),
        (memoryview(struct.pack(">HH2e", 2, 0, 1, 2)), "halfvec", [1, 2]),
        (struct.pack(">i", 3) + b"\xa0", "bit", [True, False, True]),
        ([1.0, 2.0], "vector", [1, 2]),
        (np.array([1, 2], dtype=">f4"), "vector", [1, 2]),
        (Vector([1, 2]), "vector", [1, 2]),
        (HalfVector([1, 2]), "halfvec", [1, 2]),
        (Bit("101"), "bit", [True, False, True]),
    ],
)
def test_reads_whatever_the_driver_returns(raw, kind, expected):
    """Text, binary, and what adapters of pgvector-python make of them are read alike."""
    read = decode(raw, VectorType(kind))
    assert read.dtype == (np.bool_ if kind == "bit" else np.dtype("=f4"))
    assert read.tolist() == expected


@pytest.mark.parametrize(
    "raw",
    ["{2:1.5}/3", struct.pack(">iiiif", 3, 1, 0, 1, 1.5), SparseVector({1: 1.5}, 3)],
    ids=["text", "binary", "object"],
)
def test_reads_sparse_vectors_as_pgvector_objects(raw):
    """A sparsevec is read as pgvector-python's SparseVector, whatever the driver returned."""
    assert decode(raw, VectorType.SPARSEVEC).to_list() == [0, 1.5, 0]


def test_null_stays_none():
    """A missing vector is None in every type."""
    assert [decode(None, kind) for kind in VectorType] == [None] * 4


def test_a_checked_value_may_be_checked_again():
    """Sparse and bit values pass through unchanged."""
    sparse = check_value({0: 1.0}, column("sparsevec"), distance=None)
    assert isinstance(sparse, SparseValue)
    assert check_value(sparse, column("sparsevec"), distance=None) is sparse
    bits = check_value("010", column("bit"), distance=None)
    assert check_value(bits, column("bit"), distance=None) is bits
