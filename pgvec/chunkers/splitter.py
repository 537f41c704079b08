"""What chunkers share that cut with semantic-text-splitter."""

from __future__ import annotations

from typing import Any, ClassVar

from pgvec.chunkers.checks import check_document, import_library
from pgvec.chunkers.measure import Measure, TokenCount, read_measure
from pgvec.chunkers.spans import as_chunks
from pgvec.model import Chunk

__all__ = ["SplitterChunker"]


class SplitterChunker:
    """Cuts with one of the classes of semantic-text-splitter.

    The library fills each chunk with the largest units that fit (sections, paragraphs, sentences, words, ...), and drops white
    space at both ends of a chunk. It never cuts a character in two: a character of more tokens than ``size`` stands alone.
    """

    _kind: ClassVar[str]

    def __init__(self, size: int | None = None, *, overlap: int = 0, tokens: TokenCount | None = None) -> None:
        self._cut_by(read_measure(size, overlap, tokens))

    def _cut_by(self, measure: Measure, *grammar: object) -> None:
        kind = getattr(import_library("semantic_text_splitter"), self._kind)
        if measure.count is None:
            self._splitter: Any = kind(*grammar, measure.size, measure.overlap)
        else:
            self._splitter = kind.from_callback(*grammar, measure.count, measure.size, measure.overlap)
        self._measure = measure

    def __repr__(self) -> str:
        unit = "characters" if self._measure.count is None else "tokens"
        return f"<{type(self).__name__} of {self._measure.size} {unit}, overlap {self._measure.overlap}>"

    def chunk(self, text: str) -> list[Chunk]:
        """Cut a document into chunks; those of a blank one are none.

        Raises:
            InvalidInputError: It is no text, or holds a lone surrogate.
        """
        found = self._splitter.chunk_indices(check_document(text))
        return as_chunks(text, ((start, start + len(part)) for start, part in found))
