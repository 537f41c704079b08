"""Files that hold media: read as bytes or opened by path, and refused where they are no files."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

from pgvec.errors import InvalidInputError

__all__ = ["open_media"]


def open_media(source: object, what: str, position: int) -> BinaryIO | None:
    """Open what is the bytes of a file or its path; None where it is something else.

    Args:
        source: What the caller gave.
        what: Picture or sound, for messages.
        position: Place of the input, counted from 1.

    Raises:
        InvalidInputError: There is nothing to read.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        if not len(source):
            raise InvalidInputError(f"Input {position} is empty: no bytes hold a {what}.", position=position)
        return io.BytesIO(source)
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(os.fsdecode(source))
    if not path.is_file():  # a pipe would be waited for
        raise InvalidInputError(f"Input {position} is a {what} in {str(path)!r}, which is no file.", position=position)
    try:
        return path.open("rb")
    except OSError as exc:
        raise InvalidInputError(
            f"Input {position} is a {what} in {str(path)!r}, which cannot be read: {exc.strerror}.", position=position
        ) from exc
