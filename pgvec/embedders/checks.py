"""Checks of what goes into an embedder and of what comes back, the same for local and remote models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pgvec.errors import EmbedderResponseError, InvalidInputError, InvalidOptionError
from pgvec.model import InputRole

__all__ = ["check_embeddings", "check_role", "check_texts"]


def check_role(role: InputRole | str) -> InputRole:
    """Return the role, which may be given by its name.

    Raises:
        InvalidOptionError: There is no such role.
    """
    try:
        return InputRole(role)
    except ValueError as exc:
        names = " or ".join(repr(known.value) for known in InputRole)
        raise InvalidOptionError(f"role is {role!r}; it must be {names}.") from exc


def check_texts(inputs: Sequence[object], *, first: int = 1) -> list[str]:
    """Return the inputs as a list of texts that a model can read.

    Args:
        inputs: What the caller gave.
        first: Position of the first input, for messages about a part of a longer sequence.

    Raises:
        InvalidInputError: One of them is no text, is empty, or cannot be encoded; ``position`` says which, counted from 1.
    """
    if isinstance(inputs, str | bytes):
        raise InvalidInputError(
            "Texts are embedded as a sequence, but one text came alone: write [text] instead of text."
        )
    return [_check_text(text, position) for position, text in enumerate(inputs, start=first)]


def _check_text(text: object, position: int) -> str:
    if not isinstance(text, str):
        raise InvalidInputError(
            f"Input {position} is {type(text).__name__}, not a text: this model embeds only str.", position=position
        )
    if not text or text.isspace():
        raise InvalidInputError(
            f"Input {position} is empty: an empty text has no meaning to embed. Leave it out, or store NULL for it.",
            position=position,
        )
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidInputError(
            f"Input {position} holds a lone surrogate ({text[exc.start]!a} at character {exc.start}), which is no character. "
            "Decode the text again, for instance with errors='replace'.",
            position=position,
        ) from exc
    return text


def check_embeddings(vectors: object, count: int, dimensions: int) -> NDArray[np.float32]:
    """Return what a model answered as C-contiguous float32 of shape ``(count, dimensions)``.

    Args:
        vectors: An array, or nested lists as a remote model sends them.
        count: How many inputs the model was given.
        dimensions: Length that every vector must have.

    Raises:
        EmbedderResponseError: There are more or fewer vectors, one has another length, or a value is not a finite number.
    """
    try:
        array = np.asarray(vectors)
    except ValueError as exc:
        raise EmbedderResponseError(
            f"The embedder returned vectors of unequal length, not {dimensions} values each."
        ) from exc
    if array.size == 0 and count == 0:
        return np.empty((0, dimensions), dtype=np.float32)
    if array.dtype.kind not in "fiu":
        raise EmbedderResponseError(f"The embedder returned values of type {array.dtype}, not numbers.")
    if array.ndim != 2:
        raise EmbedderResponseError(
            f"The embedder returned an array of shape {array.shape}; expected one vector for each input: {(count, dimensions)}."
        )
    if array.shape[0] != count:
        raise EmbedderResponseError(f"The embedder returned {array.shape[0]} vectors for {count} inputs.")
    if array.shape[1] != dimensions:
        raise EmbedderResponseError(
            f"The embedder returned vectors of {array.shape[1]} dimensions; it declares {dimensions}."
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused below
        result = np.ascontiguousarray(array, dtype=np.float32)
    finite = np.isfinite(result).all(axis=1)
    if not finite.all():
        position = int(np.argmin(finite)) + 1
        raise EmbedderResponseError(
            f"The embedder returned NaN or infinite values for input {position} of {count}.", position=position
        )
    return result
