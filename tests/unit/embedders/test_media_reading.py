"""Pictures and sounds are read from every form they come in, and refused with a reason where they cannot be."""

from __future__ import annotations

import io
import os
import struct
import sys
import wave
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pgvec import Audio, Image
from pgvec.embedders.pictures import read_picture
from pgvec.embedders.sounds import read_sound
from pgvec.errors import InvalidInputError, MissingDependencyError

pillow = pytest.importorskip("PIL.Image", reason="needs the extra 'media'")

RED = (200, 10, 10)


def png(picture: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def claimed_png(width: int, height: int) -> bytes:
    """The head of a file that claims so many pixels."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0" * 64))]
    chunks = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def wav(samples: np.ndarray, rate: int = 8_000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes((samples * 32_767).astype("<i2").tobytes())
    return file.getvalue()


def test_a_picture_is_the_same_from_every_source(tmp_path: Path) -> None:
    """Bytes, path, Pillow, arrays and the value Image give the same pixels; what is transparent is white, and a camera's turn is undone."""
    whole = pillow.new("RGB", (6, 4), RED)
    whole.putpixel((0, 0), (0, 0, 255))
    expected = np.asarray(whole)
    (tmp_path / "red.png").write_bytes(png(whole))
    floats = expected / np.float32(255)
    for source in (
        whole,
        png(whole),
        memoryview(png(whole)),
        tmp_path / "red.png",
        str(tmp_path / "red.png"),
        expected,
        floats,
    ):
        for given in (source, Image(source)):
            np.testing.assert_array_equal(np.asarray(read_picture(given)), expected)
    clear = pillow.new("RGBA", (2, 2), (0, 0, 0, 0))
    assert np.asarray(read_picture(png(clear))).min() == 255
    deep = pillow.fromarray(np.full((2, 2), 0x8000, dtype=np.uint16))
    assert np.unique(np.asarray(read_picture(png(deep)))).tolist() == [0x80]
    turned = io.BytesIO()
    exif = pillow.Exif()
    exif[0x0112] = 6
    whole.save(turned, "JPEG", exif=exif)
    assert read_picture(turned.getvalue()).size == (4, 6)
    assert repr(Image(b"12345")) == "Image(<5 bytes>)"
    assert repr(Image(expected)) == "Image(<array of shape (4, 6, 3)>)"


PICTURE = png(pillow.new("RGB", (64, 64), RED), compress_level=0)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (b"", "empty"),
        (b"not a picture at all", "no picture in a format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture in a format"),
        (PICTURE[:-3000], "cut short or damaged"),
        (claimed_png(9_000, 9_000), "at most 50,000,000"),
        (claimed_png(60_000, 60_000), "too many pixels"),
        ("nowhere.png", "which is no file"),
        (Path("/dev/null"), "which is no file"),
        (7, "is int, and a picture is"),
        (np.zeros((2, 2, 5), np.uint8), "shape"),
        (np.zeros((0, 2), np.uint8), "shape"),
        (np.full((2, 2), 1.5), "floats from 0 to 1"),
        (np.full((2, 2), np.nan), "floats from 0 to 1"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_picture_is_refused(given: object, reason: str) -> None:
    """Each kind of bad picture has its own reason, and the place of the input."""
    with pytest.raises(InvalidInputError, match=reason) as caught:
        read_picture(given, 3)
    assert caught.value.position == 3


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe is refused at once."""
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InvalidInputError, match="which is no file"):
        read_picture(tmp_path / "pipe.png")


def test_a_sound_is_the_same_from_every_source(tmp_path: Path) -> None:
    """Bytes, path and arrays of floats and whole numbers give the same samples, and channels are averaged."""
    pytest.importorskip("soundfile")
    tone = np.sin(np.arange(800) / 9).astype(np.float32) / 2
    (tmp_path / "tone.wav").write_bytes(wav(tone))
    sources = [
        wav(tone),
        tmp_path / "tone.wav",
        Audio(wav(tone), 8_000),
        Audio(tone, 8_000),
        Audio((tone * 32_768).astype(np.int16), 8_000),
        Audio((tone * 2.0**31).astype(np.int32), 8_000),
        Audio(np.stack([tone * 1.5, tone * 0.5], axis=1), 8_000),
        wav(np.stack([tone * 1.5, tone * 0.5], axis=1), channels=2),
    ]
    for given in sources:
        samples = read_sound(given, 8_000)
        assert samples.dtype == np.float32
        np.testing.assert_allclose(samples, tone, atol=1e-4)
    coarse = read_sound(Audio(((tone + 1) * 128).astype(np.uint8), 8_000), 8_000)
    np.testing.assert_allclose(coarse, tone, atol=0.01)
    assert repr(Audio(tone, 8_000)) == "Audio(<array of shape (800,)>, sampling_rate=8000)"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (b"", "empty"),
        (b"RIFFnonsense", "no sound in a format"),
        (wav(np.zeros(0)), "without samples"),
        (wav(np.zeros(9), rate=44_100), "has 44,100 samples a second, and the model takes 8,000"),
        (Audio(wav(np.zeros(9)), 16_000), "says sampling_rate=16000, and its file 8000"),
        (Audio(np.zeros(9)), "without their rate"),
        (Audio(np.zeros(0), 8_000), "without samples"),
        (Audio(np.full(9, np.inf), 8_000), "NaN or infinite"),
        (Audio(np.zeros((2, 900)), 8_000), "shape"),
        (Audio(np.zeros(9, dtype=np.int64), 8_000), "int64"),
        (Audio([0.0, 0.0], 8_000), "is list, and a sound is"),
        ("nowhere.wav", "which is no file"),
    ],
)
def test_what_is_no_sound_is_refused(given: object, reason: str) -> None:
    """Each kind of bad sound has its own reason, and the place of the input."""
    pytest.importorskip("soundfile")
    with pytest.raises(InvalidInputError, match=reason) as caught:
        read_sound(given, 8_000, 2)
    assert caught.value.position == 2


@pytest.mark.parametrize(
    ("module", "read"), [("PIL.Image", lambda: read_picture(b"x")), ("soundfile", lambda: read_sound(b"x", 8_000))]
)
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, module: str, read: Callable[[], object]) -> None:
    """Without the extra the error tells the command that installs it."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'pgvec\[media\]'"):
        read()
