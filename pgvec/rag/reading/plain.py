"""Text, and tables of text."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator

from pgvec.errors import InvalidOptionError, UnreadableFileError
from pgvec.rag.values import FileText

__all__ = ["decode", "read_csv"]

# The longer ones first: the mark of UTF-32 begins as that of UTF-16 does.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SNIFFED = 65_536


def decode(data: bytes, encoding: str | None = None, *, declared: str | None = None) -> str:
    """Return the text that bytes stand for: by their mark, by what they declare, by ``encoding``, else as UTF-8.

    Raises:
        UnreadableFileError: They stand for none, or hold a NUL character.
        InvalidOptionError: Python knows no such ``encoding``.
    """
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    chosen = marked or _known(declared) or encoding or "utf-8"
    try:
        text = data.decode(chosen)
    except UnicodeDecodeError as exc:
        raise UnreadableFileError(
            f"is not {chosen.removesuffix('-sig').upper()}: byte {exc.start:,} is 0x{data[exc.start]:02X}; convert it, or name its "
            "encoding"
        ) from exc
    except LookupError as exc:
        raise InvalidOptionError(f"encoding={encoding!r} is no encoding that Python knows") from exc
    if "\0" in text:
        raise UnreadableFileError("holds a NUL character, so it is no text")
    return text


def read_csv(data: bytes, kind: str, encoding: str | None) -> FileText:
    """Read a table as one paragraph for each row: ``column: value``, a line for each value that is there.

    Raises:
        UnreadableFileError: A row has more or fewer fields than the header, or a quote is not closed.
    """
    text = decode(data, encoding)
    rows = _rows(text)
    header = next(rows, None)
    if header is None:
        return FileText("", "", kind)
    paragraphs = []
    try:
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise UnreadableFileError(
                    f"is malformed: row {number:,} has {len(row)} fields, the header has {len(header)}"
                )
            paragraphs.append(
                "\n".join(f"{name}: {value}" for name, value in zip(header, row, strict=True) if value.strip())
            )
    except csv.Error as exc:
        raise UnreadableFileError(f"is malformed: {exc}, after row {len(paragraphs) + 1:,}") from exc
    return FileText("\n\n".join(paragraph for paragraph in paragraphs if paragraph), "", kind)


def _rows(text: str) -> Iterator[list[str]]:
    try:
        dialect: type[csv.Dialect] | str = csv.Sniffer().sniff(text[:_SNIFFED], delimiters=",;\t|")
    except csv.Error:
        dialect = "excel"
    reader = csv.reader(io.StringIO(text, newline=""), dialect, strict=True)
    return (row for row in reader if row)


def _known(encoding: str | None) -> str | None:
    """What a file declares, where it is an encoding of text at all."""
    try:
        return codecs.lookup(encoding).name if encoding and codecs.lookup(encoding)._is_text_encoding else None  # noqa: SLF001
    except LookupError:
        return None
