"""Sounds from bytes, paths and NumPy, as models take them: one channel of floats at the model's own sampling rate."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pgvec.embedders.media_files import open_media
from pgvec.errors import InvalidInputError, MissingDependencyError
from pgvec.model import Audio

__all__ = ["MOST_SECONDS", "read_sound"]

MOST_SECONDS = 3_600
"""Length that a sound may have; models read seconds of it."""

_MOST_CHANNELS = 32
_FULL_SCALE = {"u1": 2.0**7, "i2": 2.0**15, "i4": 2.0**31}


def read_sound(given: object, sampling_rate: int, position: int = 1) -> NDArray[np.float32]:
    """Return the samples of a sound, shape (samples,), from -1 to 1; channels are averaged.

    Args:
        given: An :class:`~pgvec.model.Audio`, or the bytes or the path of a file.
        sampling_rate: Samples a second that the model takes. Nothing is resampled: how well that is done is heard.
        position: Place of the input, counted from 1, for messages.

    Raises:
        MissingDependencyError: soundfile is not installed, which reads files.
        InvalidInputError: It is no sound, is empty, or has another sampling rate.
    """
    audio = given if isinstance(given, Audio) else Audio(given)
    if isinstance(audio.source, np.ndarray):
        samples, rate = _of_array(audio.source, position), audio.sampling_rate
        if rate is None:
            raise InvalidInputError(
                f"Input {position} is an array of samples without their rate: write Audio(array, sampling_rate=...).",
                position=position,
            )
    else:
        samples, rate = _of_file(audio.source, position)
        if audio.sampling_rate not in (None, rate):
            raise InvalidInputError(
                f"Input {position} says sampling_rate={audio.sampling_rate}, and its file {rate}.", position=position
            )
    if not samples.size:
        raise InvalidInputError(f"Input {position} is a sound without samples.", position=position)
    if rate != sampling_rate:
        raise InvalidInputError(
            f"Input {position} has {rate:,} samples a second, and the model takes {sampling_rate:,}: resample it first, for "
            f"instance with scipy.signal.resample_poly(samples, {sampling_rate}, {rate}).",
            position=position,
        )
    if not np.isfinite(samples).all():
        raise InvalidInputError(f"Input {position} holds NaN or infinite samples.", position=position)
    return np.ascontiguousarray(samples.mean(axis=1) if samples.ndim == 2 else samples, dtype=np.float32)


def _of_array(array: NDArray[Any], position: int) -> NDArray[Any]:
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= _MOST_CHANNELS):
        raise InvalidInputError(
            f"Input {position} is an array of shape {array.shape}; a sound has the shape (samples,) or (samples, channels).",
            position=position,
        )
    if array.dtype.kind == "f":
        return array
    scale = _FULL_SCALE.get(array.dtype.str[1:])
    if scale is None:
        raise InvalidInputError(
            f"Input {position} is an array of {array.dtype}; a sound holds floats, uint8, int16 or int32.",
            position=position,
        )
    samples = array / np.float32(scale)
    return samples - 1 if array.dtype.kind == "u" else samples


def _of_file(source: object, position: int) -> tuple[NDArray[Any], int]:
    library = _soundfile()
    file = open_media(source, "sound", position)
    if file is None:
        raise InvalidInputError(
            f"Input {position} is {type(source).__name__}, and a sound is bytes, a path, or a NumPy array in Audio(...).",
            position=position,
        )
    with file:
        try:
            with library.SoundFile(file) as sound:
                if sound.frames > MOST_SECONDS * sound.samplerate:
                    raise InvalidInputError(
                        f"Input {position} is a sound of {sound.frames / sound.samplerate:,.0f} seconds; at most "
                        f"{MOST_SECONDS:,} are read. Cut it into parts.",
                        position=position,
                    )
                return sound.read(dtype="float32"), int(sound.samplerate)
        except library.SoundFileError as exc:
            raise InvalidInputError(
                f"Input {position} is no sound in a format that is read here (WAV, FLAC, OGG, MP3), or damaged: {exc}",
                position=position,
            ) from exc


def _soundfile() -> Any:
    try:
        return importlib.import_module("soundfile")
    except (ImportError, OSError) as exc:  # OSError: without the library that it binds
        raise MissingDependencyError.for_extra("media", "Reading files with sound") from exc
