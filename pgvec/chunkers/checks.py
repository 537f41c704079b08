"""Checks of what a chunker is given."""

from __future__ import annotations

import importlib
from types import ModuleType

from pgvec.errors import InvalidInputError, InvalidOptionError, MissingDependencyError

__all__ = ["check_document", "check_number", "check_overlap", "import_library"]

_MOST = 2**31 - 1


def check_document(text: object) -> str:
    """Return the document, if it is a text that the libraries can read.

    Raises:
        InvalidInputError: It is no text, or holds a lone surrogate.
    """
    if not isinstance(text, str):
        raise InvalidInputError(f"The document is {type(text).__name__}, not a text: only str is cut into chunks.")
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidInputError(
            f"The document holds a lone surrogate ({text[exc.start]!a} at character {exc.start}), which is no character. "
            "Decode the text again, for instance with errors='replace'."
        ) from exc
    return text


def check_number(name: str, value: object, *, least: int) -> int:
    """Return an option that has to be a whole number.

    Raises:
        InvalidOptionError: It is none, or out of range.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST:
        raise InvalidOptionError(f"{name} is {value!r}; it must be a whole number from {least} to {_MOST}.")
    return value


def check_overlap(overlap: object, size: int) -> int:
    """Return the overlap, which is smaller than a chunk.

    Raises:
        InvalidOptionError: It is no whole number, negative, or as large as a chunk.
    """
    number = check_number("overlap", overlap, least=0)
    if number >= size:
        raise InvalidOptionError(f"overlap is {number}, but chunks have at most {size}: it must be smaller than that.")
    return number


def import_library(name: str) -> ModuleType:
    """Import a library of the extra ``chunk``.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise MissingDependencyError.for_extra("chunk", "Cutting documents into chunks") from exc
