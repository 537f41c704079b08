"""Embedding of many items in bounded memory, with any embedder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pgvec.embedders.checks import check_embeddings, check_texts
from pgvec.errors import InvalidOptionError
from pgvec.model import Embedder, InputKind, InputRole

__all__ = ["embed_batches", "split"]

T = TypeVar("T")


def split(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of ``size``; the last may be shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def embed_batches(
    embedder: Embedder,
    items: Iterable[T],
    *,
    key: Callable[[T], object] | None = None,
    role: InputRole = InputRole.DOCUMENT,
    batch_size: int = 512,
) -> Iterator[tuple[list[T], NDArray[np.float32]]]:
    """Embed items as they come, and yield each batch with its vectors.

    Only one batch is held at a time, so ``items`` may be endless. Count what was yielded to show progress.

    Args:
        embedder: Any embedder; what it returns is checked.
        items: The inputs, or whatever they are read from.
        key: Gives the input of an item; None where the items are the inputs.
        role: Whether the inputs are questions or documents.
        batch_size: Items in a batch. It should be several times as large as the batches in which the model computes, so that
            texts of like length meet in those.

    Raises:
        InvalidInputError: An input is empty or not of the embedder's kind; ``position`` counts from 1 over all items.
        EmbedderResponseError: The embedder did not return one finite vector for each input.
    """
    if batch_size < 1:
        raise InvalidOptionError(f"batch_size is {batch_size}; it must be at least 1.")
    return _embed_batches(embedder, items, key, role, batch_size)


def _embed_batches(
    embedder: Embedder, items: Iterable[T], key: Callable[[T], object] | None, role: InputRole, batch_size: int
) -> Iterator[tuple[list[T], NDArray[np.float32]]]:
    only_texts = embedder.kinds == {InputKind.TEXT}
    done = 0
    for batch in split(items, batch_size):
        inputs = [key(item) for item in batch] if key else batch
        if only_texts:
            check_texts(inputs, first=done + 1)
        yield batch, check_embeddings(embedder.embed(inputs, role=role), len(batch), embedder.dimensions)
        done += len(batch)
