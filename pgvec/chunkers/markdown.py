"""Chunks of Markdown, by characters or tokens."""

from __future__ import annotations

from pgvec.chunkers.splitter import SplitterChunker

__all__ = ["MarkdownChunker"]


class MarkdownChunker(SplitterChunker):
    """Cuts Markdown (CommonMark and GitHub's additions) at headings, else at blocks, inline elements, sentences and words.

    Neighbouring sections share a chunk where they fit as a whole. Offsets and text are those of the source, marks included.

    Args:
        size: Most characters of a chunk, 1,000 if not given; with ``tokens`` most tokens, if not given as many as the model reads.
        overlap: Most characters (or tokens) that a chunk repeats of the one before, whole units only.
        tokens: Count tokens: an embedder with ``token_counts()`` (its marks and prompt are counted), or a function from a text
            to a number.

    Raises:
        MissingDependencyError: The extra ``chunk`` is not installed.
        InvalidOptionError: A number is out of range, or ``tokens`` counts nothing.
    """

    _kind = "MarkdownSplitter"
