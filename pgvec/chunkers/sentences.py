"""Chunks of whole sentences."""

from __future__ import annotations

import re

from pgvec.chunkers.checks import check_document, check_number, check_overlap, import_library
from pgvec.chunkers.spans import as_chunks, trimmed
from pgvec.errors import InvalidOptionError
from pgvec.model import Chunk

__all__ = ["SentenceChunker"]

# sentencex 1.0.32 panics on a capital letter before a white space of several bytes (a next line, say), which it takes for the
# initial of a name; it sees a line feed or a blank instead, so that offsets stay what they are.
_LINES = dict.fromkeys(map(ord, "\x85\u2028\u2029"), "\n")
_BLANKS = dict.fromkeys([0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
_PLAIN = _LINES | _BLANKS
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)*")


class SentenceChunker:
    """Cuts text into groups of whole sentences, however long they are.

    The library knows abbreviations, initials, numbers, quotations and brackets of the language; a blank line ends a sentence.
    Where chunks must not be longer than a model reads, use :class:`TextChunker`, which prefers whole sentences.

    Args:
        size: Sentences of a chunk.
        overlap: Sentences that a chunk repeats of the one before.
        language: Code of the language, as Wikipedia has it (``"en"``, ``"de"``, ``"ja"``); unknown ones are read as related
            languages, or as English.

    Raises:
        MissingDependencyError: The extra ``chunk`` is not installed.
        InvalidOptionError: A number is out of range, or ``language`` is no code.
    """

    def __init__(self, size: int = 5, *, overlap: int = 0, language: str = "en") -> None:
        self._size = check_number("size", size, least=1)
        self._overlap = check_overlap(overlap, self._size)
        if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
            raise InvalidOptionError(f"language is {language!r}; it must be a code such as 'en'.")
        self._language = language
        self._segment = import_library("sentencex").segment

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._size} sentences ({self._language}), overlap {self._overlap}>"

    def chunk(self, text: str) -> list[Chunk]:
        """Cut a document into chunks; those of a blank one are none.

        Raises:
            InvalidInputError: It is no text, or holds a lone surrogate.
        """
        sentences = self._sentences(check_document(text))
        step = self._size - self._overlap
        # A group that began among the last `overlap` sentences would repeat the group before it, and nothing else.
        groups = range(0, max(len(sentences) - self._overlap, min(len(sentences), 1)), step)
        ends = (min(first + self._size, len(sentences)) - 1 for first in groups)
        return as_chunks(
            text, ((sentences[first][0], sentences[last][1]) for first, last in zip(groups, ends, strict=True))
        )

    def _sentences(self, text: str) -> list[tuple[int, int]]:
        """Return the offsets of each sentence, without the white space around it."""
        spans, at = [], 0
        for sentence in self._segment(self._language, text.translate(_PLAIN)):
            start, end = trimmed(text, at, at + len(sentence))
            if start < end:
                spans.append((start, end))
            at += len(sentence)
        return spans
