"""Pictures from bytes, paths, Pillow and NumPy, as models take them: three channels of eight bits, upright, whole."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pgvec.embedders.media_files import open_media
from pgvec.errors import InvalidInputError, MissingDependencyError
from pgvec.model import Image

__all__ = ["MOST_PIXELS", "read_picture"]

MOST_PIXELS = 50_000_000
"""Pixels that a picture may have: a few kilobytes of a file can claim billions."""

# Those that Pillow decodes itself: it hands PostScript to Ghostscript, which runs it.
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "PPM", "ICO")


def read_picture(given: object, position: int = 1) -> Any:
    """Return a ``PIL.Image.Image`` of mode RGB; transparent parts are white, of an animation the first picture is taken.

    Args:
        given: An :class:`~pgvec.model.Image`, or what one is made of.
        position: Place of the input, counted from 1, for messages.

    Raises:
        MissingDependencyError: Pillow is not installed.
        InvalidInputError: It is no picture, is cut short, or has more pixels than :data:`MOST_PIXELS`.
    """
    pillow = _pillow("Image")
    source = given.source if isinstance(given, Image) else given
    if isinstance(source, pillow.Image):
        return _upright(source, position)
    if isinstance(source, np.ndarray):
        return _upright(pillow.fromarray(_eight_bits(source, position)), position)
    file = open_media(source, "picture", position)
    if file is None:
        raise InvalidInputError(
            f"Input {position} is {type(source).__name__}, and a picture is bytes, a path, a PIL.Image or a NumPy array.",
            position=position,
        )
    with file:
        try:
            picture = pillow.open(file, formats=_FORMATS)
        except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as exc:
            raise InvalidInputError(f"Input {position} has too many pixels: {exc}", position=position) from exc
        except Exception as exc:  # the readers of the formats raise whatever a broken header makes them stumble over
            raise InvalidInputError(
                f"Input {position} is no picture in a format that is read here ({', '.join(_FORMATS)}).",
                position=position,
            ) from exc
        return _upright(picture, position)


def _upright(picture: Any, position: int) -> Any:
    """Decode a picture, turn it as its camera was held, and bring it to RGB."""
    width, height = picture.size
    if width * height > MOST_PIXELS or not width * height:
        raise InvalidInputError(
            f"Input {position} is a picture of {width:,} x {height:,} pixels; it must have some, and at most {MOST_PIXELS:,}. "
            "Make it smaller first: models read a few hundred by a few hundred.",
            position=position,
        )
    try:
        picture = _pillow("ImageOps").exif_transpose(picture)
        return _rgb(picture)
    except Exception as exc:  # OSError, SyntaxError, ValueError, struct.error: each decoder has its own
        raise InvalidInputError(
            f"Input {position} is a picture that is cut short or damaged: {exc}", position=position
        ) from exc


def _rgb(picture: Any) -> Any:
    pillow = _pillow("Image")
    if picture.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip to 8 instead of scaling
        picture = pillow.fromarray((np.asarray(picture).clip(0, 65_535) >> 8).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    coloured = picture.convert("RGBA")
    paper = pillow.new("RGBA", coloured.size, "white")
    return pillow.alpha_composite(paper, coloured).convert("RGB")


def _eight_bits(array: NDArray[Any], position: int) -> NDArray[np.uint8]:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or not array.size:
        raise InvalidInputError(
            f"Input {position} is an array of shape {array.shape}; a picture has the shape (height, width) or "
            "(height, width, 1, 3 or 4).",
            position=position,
        )
    if array.dtype.kind == "f" and np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1:
        array = (array * 255).round().astype(np.uint8)
    if array.dtype != np.uint8:
        raise InvalidInputError(
            f"Input {position} is an array of {array.dtype}; a picture holds uint8, or floats from 0 to 1.",
            position=position,
        )
    return np.ascontiguousarray(array[..., 0] if array.ndim == 3 and channels == 1 else array)


def _pillow(module: str) -> Any:
    try:
        return importlib.import_module(f"PIL.{module}")
    except ImportError as exc:
        raise MissingDependencyError.for_extra("media", "Reading pictures") from exc
