"""What the size of a chunk is counted in: characters, or tokens of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pgvec.chunkers.checks import check_number, check_overlap
from pgvec.errors import InvalidOptionError
from pgvec.model import TokenCounter

__all__ = ["CHARACTERS", "Measure", "TokenCount", "read_measure"]

# About 200 tokens of English: within what small models read.
CHARACTERS = 1_000

TokenCount = TokenCounter | Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Measure:
    """How large chunks may be.

    Attributes:
        size: The most that a chunk may have.
        overlap: The most that it may share with the one before.
        count: Counts the tokens of a text; None where characters are counted.
    """

    size: int
    overlap: int
    count: Callable[[str], int] | None


def read_measure(size: int | None, overlap: int, tokens: TokenCount | None) -> Measure:
    """Read the options that the chunkers have in common.

    Raises:
        InvalidOptionError: A number is out of range, no chunk could hold anything, or ``tokens`` counts nothing.
    """
    if tokens is None:
        most = CHARACTERS if size is None else check_number("size", size, least=1)
        return Measure(most, check_overlap(overlap, most), None)
    count = _counter(tokens)
    most = check_number("size", _model_length(tokens) if size is None else size, least=1)
    if (shortest := count("a")) > most:
        raise InvalidOptionError(
            f"size is {most} tokens, but a single letter has {shortest}, with the marks that the model adds to each text."
        )
    return Measure(most, check_overlap(overlap, most), count)


def _model_length(tokens: TokenCount) -> int:
    length = tokens.max_length if isinstance(tokens, TokenCounter) else None
    if length is None:
        raise InvalidOptionError(f"{tokens!r} does not say how many tokens it reads: give the size of a chunk.")
    return length


def _counter(tokens: TokenCount) -> Callable[[str], int]:
    if isinstance(tokens, TokenCounter):
        counts = tokens.token_counts
        # The splitter also asks for pieces that are blank, which an embedder refuses.
        return lambda text: int(counts([text])[0]) if text and not text.isspace() else 0
    if callable(tokens):
        return tokens
    raise InvalidOptionError(
        f"tokens is {tokens!r}; it must be an embedder that has token_counts(), or a function from a text to a number."
    )
