"""Pictures and sounds as values: what a repository is asked with, and what an embedder of media takes."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from pgvec.model.embedder import InputKind

__all__ = ["Audio", "Image", "input_kind"]


def _brief(source: object) -> str:
    """Name what may be megabytes."""
    if isinstance(source, bytes | bytearray | memoryview):
        return f"<{len(source):,} bytes>"
    shape = getattr(source, "shape", None)
    return repr(source) if shape is None else f"<array of shape {shape}>"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Image:
    """A picture.

    Attributes:
        source: The bytes of a file, its path, a ``PIL.Image.Image``, or a NumPy array of shape (height, width) or
            (height, width, 1, 3 or 4) that holds uint8 or floats from 0 to 1.
    """

    source: object

    def __repr__(self) -> str:
        return f"Image({_brief(self.source)})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Audio:
    """A sound.

    Attributes:
        source: The bytes of a file, its path, or a NumPy array of shape (samples,) or (samples, channels) that holds floats from
            -1 to 1 or whole numbers of 8 (unsigned), 16 or 32 bits.
        sampling_rate: Samples a second; an array needs it, a file says it.
    """

    source: object
    sampling_rate: int | None = None

    def __repr__(self) -> str:
        rate = "" if self.sampling_rate is None else f", sampling_rate={self.sampling_rate}"
        return f"Audio({_brief(self.source)}{rate})"


def input_kind(value: object) -> InputKind | None:
    """Return which kind of input a value is by itself: a string is a text, and a picture of Pillow is a picture; else None."""
    if isinstance(value, str):
        return InputKind.TEXT
    if isinstance(value, Audio):
        return InputKind.AUDIO
    # Whoever holds a picture of Pillow has imported it.
    pillow = sys.modules.get("PIL.Image")
    if isinstance(value, Image) or (pillow is not None and isinstance(value, pillow.Image)):
        return InputKind.IMAGE
    return None
