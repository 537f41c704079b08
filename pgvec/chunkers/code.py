"""Chunks of source code, by characters or tokens."""

from __future__ import annotations

from pgvec.chunkers.measure import TokenCount, read_measure
from pgvec.chunkers.splitter import SplitterChunker
from pgvec.errors import InvalidOptionError

__all__ = ["CodeChunker"]


class CodeChunker(SplitterChunker):
    """Cuts source code at the nodes of its syntax tree: classes, functions, statements.

    Args:
        grammar: A grammar of tree-sitter, as the packages of the languages give it: ``tree_sitter_python.language()``.
        size: Most characters of a chunk, 1,000 if not given; with ``tokens`` most tokens, if not given as many as the model reads.
        overlap: Most characters (or tokens) that a chunk repeats of the one before, whole units only.
        tokens: Count tokens: an embedder with ``token_counts()`` (its marks and prompt are counted), or a function from a text
            to a number.

    Raises:
        MissingDependencyError: The extra ``chunk`` is not installed.
        InvalidOptionError: ``grammar`` is none, a number is out of range, or ``tokens`` counts nothing.
    """

    _kind = "CodeSplitter"

    def __init__(
        self, grammar: object, size: int | None = None, *, overlap: int = 0, tokens: TokenCount | None = None
    ) -> None:
        measure = read_measure(size, overlap, tokens)
        try:
            self._cut_by(measure, grammar)
        except (TypeError, ValueError) as exc:
            raise InvalidOptionError(
                f"grammar is {grammar!r}; it must be what language() of a package such as tree-sitter-python returns. ({exc})"
            ) from exc
