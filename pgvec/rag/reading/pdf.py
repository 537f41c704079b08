"""The text of PDF files."""

from __future__ import annotations

import importlib
import io
import logging
from typing import Any

from pgvec.errors import MissingDependencyError, UnreadableFileError
from pgvec.rag.values import FileText

__all__ = ["read_pdf"]

# A reader may append some bytes to a file; it is whole where its last lines hold the mark of the end.
_TAIL = 2_048


def read_pdf(data: bytes, kind: str, encoding: str | None) -> FileText:
    """Read the pages of a PDF, an empty line between them.

    Raises:
        UnreadableFileError: It is none, is cut off, or asks for a password.
        MissingDependencyError: The extra ``rag`` is not installed.
    """
    del encoding
    pypdf = _library()
    if b"%PDF-" not in data[:1_024]:
        raise UnreadableFileError("is no PDF")
    if b"%%EOF" not in data[-_TAIL:]:
        raise UnreadableFileError("is cut off: it lacks the mark of the end of a PDF")
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableFileError("is encrypted with a password")
        texts = [_clean(page.extract_text()) for page in reader.pages]
        title = _title(reader)
    except pypdf.errors.DependencyError as exc:
        raise UnreadableFileError("is encrypted") from exc
    except pypdf.errors.LimitReachedError as exc:
        raise UnreadableFileError("would grow beyond all measure when it is unpacked") from exc
    pages, at = [], 0
    for text in texts:
        pages.append(at)
        at += len(text) + 2
    return FileText("\n\n".join(texts), title, kind, tuple(pages))


def _title(reader: Any) -> str:
    found = reader.metadata.title if reader.metadata else None
    return _clean(found).strip() if isinstance(found, str) else ""


def _clean(text: str) -> str:
    """Fonts map to anything: put the sign for it in place of what is no character, or what Postgres cannot store."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


def _library() -> Any:
    try:
        pypdf = importlib.import_module("pypdf")
        importlib.import_module("pypdf.errors")
    except ImportError as exc:
        raise MissingDependencyError.for_extra("rag", "Reading PDF") from exc
    # It warns of every oddity that it can read all the same.
    logging.getLogger("pypdf").setLevel(logging.ERROR)
    return pypdf
