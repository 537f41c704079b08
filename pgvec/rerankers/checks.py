"""What goes into a reranker and what comes out of it, checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pgvec.errors import InvalidInputError, RerankerResponseError

__all__ = ["check_pairs", "check_scores"]


def check_pairs(query: object, texts: object) -> tuple[str, list[str]]:
    """Return a query and the texts to score.

    Raises:
        InvalidInputError: One of them is no text, is empty, or cannot be encoded.
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Sequence):
        raise InvalidInputError(f"A reranker takes a list of texts, not {type(texts).__name__}: write [text]")
    return _check_text(query, "The query"), [_check_text(text, f"Text {n}") for n, text in enumerate(texts, start=1)]


def _check_text(text: object, what: str) -> str:
    if not isinstance(text, str):
        raise InvalidInputError(f"{what} is {type(text).__name__}, not a text")
    if not text or text.isspace():
        raise InvalidInputError(f"{what} is empty: a reranker compares words with words")
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidInputError(
            f"{what} holds a lone surrogate ({text[exc.start]!a} at character {exc.start}), which is no character"
        ) from exc
    return text


def check_scores(scores: object, count: int) -> NDArray[np.float64]:
    """Return what a reranker answered as float64 of shape ``(count,)``.

    Args:
        scores: An array or a list of numbers.
        count: How many texts it was given.

    Raises:
        RerankerResponseError: There are more or fewer, or one is not a finite number.
    """
    try:
        found = np.asarray(scores)
    except ValueError as exc:
        raise RerankerResponseError(
            "The reranker returned lists of unequal length, not one number for each text"
        ) from exc
    if found.size == 0 and count == 0:
        return np.empty(0)
    if found.dtype.kind not in "fiu":
        raise RerankerResponseError(f"The reranker returned values of type {found.dtype}, not numbers")
    if found.shape != (count,):
        raise RerankerResponseError(
            f"The reranker returned an array of shape {found.shape}; expected one number for each text: {(count,)}"
        )
    numbers = found.astype(np.float64)
    finite = np.isfinite(numbers)
    if not finite.all():
        position = int(np.argmin(finite)) + 1
        raise RerankerResponseError(f"The reranker returned {numbers[position - 1]} for text {position} of {count}")
    return numbers
