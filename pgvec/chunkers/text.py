"""Chunks of plain text, by characters or tokens."""

from __future__ import annotations

from pgvec.chunkers.splitter import SplitterChunker

__all__ = ["TextChunker"]


class TextChunker(SplitterChunker):
    """Cuts plain text at paragraphs, else at lines, sentences (Unicode's UAX 29), words, and last between characters.

    Args:
        size: Most characters of a chunk, 1,000 if not given; with ``tokens`` most tokens, if not given as many as the model reads.
        overlap: Most characters (or tokens) that a chunk repeats of the one before, whole units only.
        tokens: Count tokens: an embedder with ``token_counts()`` (its marks and prompt are counted), or a function from a text
            to a number.

    Raises:
        MissingDependencyError: The extra ``chunk`` is not installed.
        InvalidOptionError: A number is out of range, or ``tokens`` counts nothing.
    """

    _kind = "TextSplitter"
