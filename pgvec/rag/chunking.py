"""Which chunker cuts which file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath

from pgvec.chunkers import Chunker, MarkdownChunker, TextChunker, TokenCounter
from pgvec.errors import InvalidOptionError
from pgvec.model import Embedder
from pgvec.rag.reading.formats import FORMATS, MARKDOWN

__all__ = ["ChunkerOption", "Chunkers"]

ChunkerOption = Chunker | Mapping[str, Chunker] | None

# repr() of an object that says nothing of itself has its address.
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


class Chunkers:
    """The chunkers of an ingestion.

    Args:
        embedder: Where it counts tokens, chunks are as long as it reads; else 1,000 characters.
        option: A chunker for all files, or chunkers by suffix (``.py``) or format (``code``): the suffix goes first, and other
            files are cut as Markdown or as text.

    Raises:
        InvalidOptionError: Something is no chunker, or for a suffix or format that is not read.
        MissingDependencyError: The extra ``chunk`` is not installed, and a chunker is not given.
    """

    def __init__(self, embedder: Embedder, option: ChunkerOption = None) -> None:
        self._all = option if option is not None and not isinstance(option, Mapping) else None
        self._named = dict(option) if isinstance(option, Mapping) else {}
        for name, chunker in {**self._named, "all": self._all}.items():
            if chunker is not None and not isinstance(chunker, Chunker):
                raise InvalidOptionError(f"chunkers= holds {chunker!r:.60}, which has no method chunk(text)")
            if name != "all" and name not in FORMATS and name not in FORMATS.values():
                raise InvalidOptionError(
                    f"chunkers= names {name!r:.60}, which is neither a suffix nor a format: {', '.join(sorted(set(FORMATS.values())))}"
                )
        if self._all is None:
            counter = embedder if isinstance(embedder, TokenCounter) and embedder.max_length is not None else None
            self._markdown, self._text = MarkdownChunker(tokens=counter), TextChunker(tokens=counter)

    def of(self, path: str, kind: str) -> Chunker:
        """Return the chunker for a file of a format."""
        if self._all is not None:
            return self._all
        named = self._named.get(PurePath(path).suffix.lower()) or self._named.get(kind)
        return named or (self._markdown if kind in MARKDOWN else self._text)

    def describe(self, path: str, kind: str) -> str:
        """Return what tells the chunker of a file from others."""
        return _ADDRESS.sub("", repr(self.of(path, kind)))
