"""Offsets become chunks."""

from __future__ import annotations

from collections.abc import Iterable

from pgvec.model import Chunk

__all__ = ["as_chunks", "trimmed"]


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the offsets of ``text[start:end]`` without the white space at both ends."""
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), start + len(part.rstrip())


def as_chunks(text: str, spans: Iterable[tuple[int, int]]) -> list[Chunk]:
    """Return the chunks at these offsets, which go forward, without those that hold nothing new.

    The libraries know only Unicode's white space. Python (and with it an embedder) also takes some control characters for it,
    and would find a chunk of them blank.
    """
    chunks: list[Chunk] = []
    last = 0
    for span in spans:
        start, end = trimmed(text, *span)
        if start < end and end > last:
            chunks.append(Chunk(text[start:end], start, end, len(chunks)))
            last = end
    return chunks
