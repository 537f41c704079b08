"""What reading and ingesting return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["FileText", "IngestProgress", "IngestProgressCallback", "IngestReport", "RefusedFile"]


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file; the offsets of chunks and citations count its characters.

    Attributes:
        text: The text. Of text, Markdown, reStructuredText and source code it is the file's own, character by character.
        title: What the file calls itself, else its name without the suffix.
        format: ``text``, ``markdown``, ``rst``, ``html``, ``pdf``, ``docx``, ``csv`` or ``code``.
        pages: Offsets at which its pages begin; empty where it has none.
    """

    text: str
    title: str
    format: str
    pages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RefusedFile:
    r"""A file (or folder) that was not read.

    Attributes:
        path: Its path within the folder; what is not UTF-8 in it is written as ``\xE9``.
        reason: Why, in a sentence.
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """How far an ingestion is.

    Attributes:
        done: Files that are dealt with.
        total: Files in all.
        path: The one that was dealt with last.
        chunks: Chunks that were stored so far.
    """

    done: int
    total: int
    path: str
    chunks: int


IngestProgressCallback: TypeAlias = Callable[[IngestProgress], None]


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingestion did.

    Attributes:
        added: Documents that are new.
        changed: Documents that were chunked again, because the file, the chunker or the model has changed.
        unchanged: Documents that were left alone.
        deleted: Documents whose file is gone.
        refused: Files that were not read. What was ingested of them before is still there.
        ignored: Files of no format that is read.
        chunks: Chunks of the documents that are new or have changed.
        embedded: Texts that the model was given; the other chunks took the vector of an equal text that was there.
        seconds: How long all of it took.
    """

    added: int
    changed: int
    unchanged: int
    deleted: int
    refused: tuple[RefusedFile, ...]
    ignored: int
    chunks: int
    embedded: int
    seconds: float
