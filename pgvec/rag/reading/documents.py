"""Bytes become the text of a document, or a reason why not."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from pgvec.errors import InvalidInputError, MissingDependencyError, UnreadableFileError
from pgvec.rag.reading.files import MOST_BYTES, read_bytes
from pgvec.rag.reading.formats import FORMATS, MARKDOWN, format_of
from pgvec.rag.reading.markup import read_docx, read_html
from pgvec.rag.reading.pdf import read_pdf
from pgvec.rag.reading.plain import decode, read_csv
from pgvec.rag.values import FileText

__all__ = ["read_document", "read_file"]

_MOST_CHARACTERS = 20_000_000
_HEADING = re.compile(r"^#{1,6}[ \t]+(\S.*?)[ \t]*#*[ \t]*$", re.MULTILINE)

Reader = Callable[[bytes, str, str | None], FileText]


def read_file(path: str | os.PathLike[str], *, encoding: str | None = None, most_bytes: int = MOST_BYTES) -> FileText:
    """Read a file as its suffix says.

    Args:
        path: The file.
        encoding: Of texts that are not UTF-8 and do not say what they are.
        most_bytes: Larger files are refused.

    Raises:
        UnreadableFileError: It cannot be read as what it is named; ``reason`` says why.
        MissingDependencyError: The extra ``rag`` is not installed, and the format needs it.
    """
    try:
        return read_document(read_bytes(path, most=most_bytes), Path(path).name, encoding=encoding)
    except UnreadableFileError as exc:
        raise UnreadableFileError(f"{os.fspath(path)} {exc}", reason=exc.message) from exc


def read_document(data: bytes, name: str, *, encoding: str | None = None) -> FileText:
    """Read the content of a file with a name as its suffix says.

    Raises:
        UnreadableFileError: As for :func:`read_file`; the message is the reason.
        MissingDependencyError: The extra ``rag`` is not installed, and the format needs it.
    """
    kind = format_of(name)
    if kind is None:
        raise UnreadableFileError(f"is of no format that is read; those are {' '.join(sorted(FORMATS))}")
    try:
        read = _READERS.get(kind, _read_plain)(data, kind, encoding)
    except (InvalidInputError, MissingDependencyError):
        raise
    except RecursionError as exc:
        raise UnreadableFileError("is nested too deeply") from exc
    # Whatever a library makes of a malformed file must not end the reading of the others.
    except Exception as exc:
        raise UnreadableFileError(f"is malformed: {type(exc).__name__}: {str(exc)[:200]}") from exc
    if not read.text.strip():
        raise UnreadableFileError("holds no text" + (", perhaps it is scanned" if kind == "pdf" else ""))
    if len(read.text) > _MOST_CHARACTERS:
        raise UnreadableFileError(f"has more than {_MOST_CHARACTERS:,} characters of text")
    heading = _HEADING.search(read.text) if kind in MARKDOWN and not read.title else None
    title = read.title or (heading.group(1) if heading else "") or Path(name).stem
    return FileText(read.text, " ".join(title.split())[:300], kind, read.pages)


def _read_plain(data: bytes, kind: str, encoding: str | None) -> FileText:
    return FileText(decode(data, encoding), "", kind)


_READERS: Mapping[str, Reader] = MappingProxyType(
    {"html": read_html, "docx": read_docx, "pdf": read_pdf, "csv": read_csv}
)
