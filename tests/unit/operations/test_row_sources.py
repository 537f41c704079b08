"""Rows from files, and text as values."""

from __future__ import annotations

import io
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pgvec.errors import InvalidOptionError, InvalidRowError
from pgvec.operations.row_sources import read_csv, read_jsonl
from pgvec.operations.text_values import parser_for
from pgvec.statements.load_requests import BINARY_OIDS, RowForm, ValueType


def test_csv_header_names_the_columns(tmp_path: Path) -> None:
    """The header names the columns; quotes, line breaks in fields, a byte order mark and empty lines are understood."""
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffid,text\r\n1,"a, ""b""\r\nc"\r\n\r\n2,\r\n'.encode())
    assert list(read_csv(path)) == [{"id": "1", "text": 'a, "b"\r\nc'}, {"id": "2", "text": ""}]


def test_csv_is_read_again_for_each_pass(tmp_path: Path) -> None:
    """A path can be read twice."""
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n")
    rows = read_csv(str(path))
    assert list(rows) == list(rows) == [{"id": "1"}]


def test_csv_columns_and_names() -> None:
    """``columns`` picks, ``names`` stands for the header, ``delimiter`` separates; open files of both kinds are read."""
    assert list(read_csv(io.StringIO("a;b;c\n1;2;3\n"), columns=["c", "a"], delimiter=";")) == [{"c": "3", "a": "1"}]
    binary = io.BytesIO("1,ä\n".encode("latin-1"))
    assert list(read_csv(binary, names=["n", "s"], encoding="latin-1")) == [{"n": "1", "s": "ä"}]
    assert not binary.closed


@pytest.mark.parametrize(
    ("content", "message", "position"),
    [
        ("a,b\n1,2\n3\n", r"Row 2 \(line 3\) has 1 fields", 2),
        ('a,b\n1,"2\n', r"Row 1 .*cannot be read as CSV", 1),
        ("a\n" + "x" * 140_000 + "\n", "field_size_limit", 1),
    ],
)
def test_csv_errors_name_the_row(content: str, message: str, position: int) -> None:
    """A line that is not CSV is named."""
    with pytest.raises(InvalidRowError, match=message) as caught:
        list(read_csv(io.StringIO(content)))
    assert caught.value.position == position


def test_csv_in_another_encoding() -> None:
    """Bytes that are not text in the encoding are the row's fault."""
    with pytest.raises(InvalidRowError, match="utf-8"):
        list(read_csv(io.BytesIO(b"a\n\xff\n")))


def test_csv_header_errors() -> None:
    """A header that names a column twice, or lacks one, is refused."""
    with pytest.raises(InvalidOptionError, match="twice"):
        list(read_csv(io.StringIO("a,a\n1,2\n")))
    with pytest.raises(InvalidOptionError, match="no column 'z'"):
        list(read_csv(io.StringIO("a,b\n1,2\n"), columns=["z"]))
    with pytest.raises(InvalidOptionError, match="not int"):
        read_csv(7)  # type: ignore[arg-type]


def test_empty_files() -> None:
    """An empty file has no rows."""
    assert list(read_csv(io.StringIO(""))) == list(read_jsonl(io.StringIO(""))) == []


def test_jsonl() -> None:
    """Each line is a row; with ``columns`` a missing key is null."""
    lines = io.StringIO('{"id": 1, "v": [1, 2]}\n\n{"id": 2}\n')
    assert list(read_jsonl(lines, columns=["id", "v"])) == [{"id": 1, "v": [1, 2]}, {"id": 2, "v": None}]


@pytest.mark.parametrize(
    ("content", "message"), [('{"a": 1}\n\n{"a"\n', r"Row 2 \(line 3\) is not JSON"), ('{"a": 1}\n[1]\n', "an object")]
)
def test_jsonl_errors_name_the_row(content: str, message: str) -> None:
    """A line that is no JSON object is named."""
    with pytest.raises(InvalidRowError, match=message) as caught:
        list(read_jsonl(io.StringIO(content)))
    assert caught.value.position == 2


def test_total_is_estimated_by_bytes(tmp_path: Path) -> None:
    """The share of the file that was read tells how many rows there will be."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1}\n' * 50_000)
    rows = read_jsonl(path)
    assert rows.estimate_total(0) is None
    iterator = iter(rows)
    for _ in range(25_000):
        next(iterator)
    estimate = rows.estimate_total(25_000)
    assert estimate is not None
    assert 40_000 < estimate < 60_000
    iterator.close()  # type: ignore[attr-defined]
    assert read_jsonl(io.StringIO('{"id": 1}\n')).estimate_total(1) is None


def _type(name: str, **changes: Any) -> ValueType:
    oid = next((oid for oid, known in BINARY_OIDS.items() if known == name), 90_000)
    return ValueType(oid, name, **changes)


@pytest.mark.parametrize(
    ("value_type", "text", "value"),
    [
        (_type("int4"), " 7 ", 7),
        (_type("float8"), "1e3", 1000.0),
        (_type("numeric"), "1.10", Decimal("1.10")),
        (_type("bool"), "Yes", True),
        (_type("bool"), "0", False),
        (_type("bytea"), r"\x00ff", b"\x00\xff"),
        (_type("jsonb"), '{"a": 1}', {"a": 1}),
        (_type("uuid"), f" {uuid.UUID(int=1)}", str(uuid.UUID(int=1))),
        (_type("_int4", element=_type("int4")), "[1, 2]", [1, 2]),
        (_type("vector", extension="vector"), "[1, 2.5]", [1, 2.5]),
        (ValueType(1560, "bit"), "0101 ", "0101"),
        (_type("mood", enum=True), "happy", "happy"),
        (_type("int4"), "", None),
        (_type("vector", extension="vector"), " ", None),
    ],
)
def test_text_becomes_a_value(value_type: ValueType, text: str, value: object) -> None:
    """Text is read by the type of its column, and empty text is NULL."""
    parse = parser_for(value_type, RowForm.TEXT)
    assert parse is not None
    assert parse(text) == value


def test_text_columns_keep_empty_text() -> None:
    """In a text column the text is the value, the empty one too."""
    assert parser_for(_type("text"), RowForm.TEXT) is None
    assert parser_for(_type("int4"), RowForm.PYTHON) is None


def test_json_text_in_a_json_column_is_a_string() -> None:
    """JSON Lines has JSON already: a string in a JSON column is a string."""
    assert parser_for(_type("jsonb"), RowForm.JSON) is None


@pytest.mark.parametrize(
    ("value_type", "text"),
    [
        (_type("int4"), "1.5"),
        (_type("numeric"), "x"),
        (_type("bool"), "maybe"),
        (_type("bytea"), "ff"),
        (_type("vector", extension="vector"), "1,2"),
        (_type("_int4", element=_type("int4")), "{1,2}"),
    ],
)
def test_text_that_is_no_value(value_type: ValueType, text: str) -> None:
    """Text that the type does not have is refused."""
    parse = parser_for(value_type, RowForm.TEXT)
    assert parse is not None
    with pytest.raises(ValueError):
        parse(text)
