"""A file becomes a document and its chunks, in whichever thread; no database is asked."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from pgvec.errors import InvalidInputError, UnreadableFileError
from pgvec.model import Chunk, Embedder
from pgvec.rag.chunking import Chunkers
from pgvec.rag.reading.documents import read_document
from pgvec.rag.reading.files import FoundFile, read_bytes
from pgvec.rag.reading.formats import format_of
from pgvec.rag.recipes import NewChunk
from pgvec.rag.values import RefusedFile

__all__ = ["Prepared", "Preparing", "Same", "ahead"]

I = TypeVar("I")  # noqa: E741 - items
R = TypeVar("R")

# What readers make of a file changed so that it has to be read again.
_READING = 1


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document to store, by names of columns, and its chunks."""

    path: str
    document: dict[str, Any]
    chunks: tuple[NewChunk, ...]


@dataclass(frozen=True, slots=True)
class Same:
    """A file that is what it was."""

    path: str


class Preparing:
    """Reads and cuts files.

    Args:
        chunkers: Cut the texts.
        embedder: Whose vectors the chunks get.
        encoding: Of texts that do not say what they are.
        most_bytes: Larger files are refused.
        values: Returns the values of the user's own columns, by names of columns.
    """

    def __init__(
        self,
        chunkers: Chunkers,
        embedder: Embedder,
        encoding: str | None,
        most_bytes: int,
        values: Callable[[FoundFile], Mapping[str, object]],
    ) -> None:
        self._chunkers, self._encoding, self._most_bytes, self._values = chunkers, encoding, most_bytes, values
        self.embedded_by = f"{embedder.name}@{embedder.revision}"

    def prepare(self, file: FoundFile, known: tuple[str, str] | None) -> Prepared | Same | RefusedFile:
        """Return a document and its chunks, that the file is what is ``known`` of it, or why it cannot be read."""
        try:
            data = read_bytes(file.place, most=self._most_bytes)
            modified_at = datetime.fromtimestamp(file.place.stat().st_mtime, UTC)
        except UnreadableFileError as exc:
            return RefusedFile(file.path, str(exc))
        except (OSError, OverflowError, ValueError) as exc:
            return RefusedFile(file.path, f"cannot be read: {exc}")
        own = self._values(file)
        content_hash = hashlib.sha256(data).hexdigest()
        made_with = self._made_with(file, own)
        if known == (content_hash, made_with):
            return Same(file.path)
        try:
            read = read_document(data, file.path, encoding=self._encoding)
            chunks = _new_chunks(read.text, self._chunkers.of(file.path, read.format).chunk(read.text))
        except UnreadableFileError as exc:
            return RefusedFile(file.path, str(exc))
        except InvalidInputError as exc:
            return RefusedFile(file.path, f"cannot be cut into chunks: {exc}")
        document = {
            "path": file.path,
            "title": read.title,
            "format": read.format,
            "text": read.text,
            "pages": list(read.pages),
            "content_hash": content_hash,
            "made_with": made_with,
            "modified_at": modified_at,
        }
        return Prepared(file.path, {**own, **document}, chunks)

    def _made_with(self, file: FoundFile, own: Mapping[str, object]) -> str:
        chunker = self._chunkers.describe(file.path, format_of(file.path) or "")
        parts = [
            _READING,
            self._encoding,
            chunker,
            self.embedded_by,
            sorted((name, repr(value)) for name, value in own.items()),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _new_chunks(text: str, chunks: Sequence[Chunk]) -> tuple[NewChunk, ...]:
    ends = [chunk.start for chunk in chunks[1:]] + [len(text)]
    return tuple(
        NewChunk(chunk.position, chunk.start, chunk.end, chunk.text, text_hash(chunk.text), text[chunk.end : end])
        for chunk, end in zip(chunks, ends, strict=True)
    )


def text_hash(text: str) -> str:
    """Return what equal texts have in common."""
    return hashlib.sha256(text.encode()).hexdigest()


def ahead(pool: Executor, call: Callable[[I], R], items: Iterable[I], window: int) -> Iterator[R]:
    """Yield ``call(item)`` in the order of the items; as many as ``window`` are under way or wait to be taken."""
    under_way: deque[Future[R]] = deque()
    try:
        for item in items:
            under_way.append(pool.submit(call, item))
            if len(under_way) >= window:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()
