"""Batches of any embedder."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from pgvec.embedders import Embedder, InputKind, InputRole, embed_batches
from pgvec.errors import EmbedderResponseError, InvalidInputError, InvalidOptionError


class LengthEmbedder:
    """Embeds a text as its length, and remembers how it was called."""

    name = "length"
    revision = "1"
    dimensions = 1
    kinds = frozenset({InputKind.TEXT})

    def __init__(self) -> None:
        self.calls: list[tuple[int, InputRole]] = []

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        self.calls.append((len(inputs), role))
        return np.array([[len(str(text))] for text in inputs], dtype=np.float32)


def test_a_plain_class_is_an_embedder() -> None:
    """The protocol asks for no base class."""
    assert isinstance(LengthEmbedder(), Embedder)


def test_batches_keep_items_and_vectors_together() -> None:
    """Each batch brings its items, in order, with their vectors; the last one may be shorter."""
    embedder = LengthEmbedder()
    batches = list(embed_batches(embedder, ["a", "bb", "ccc", "dddd", "e"], batch_size=2, role=InputRole.QUERY))
    assert [(items, vectors.ravel().tolist()) for items, vectors in batches] == [
        (["a", "bb"], [1, 2]),
        (["ccc", "dddd"], [3, 4]),
        (["e"], [1]),
    ]
    assert embedder.calls == [(2, InputRole.QUERY), (2, InputRole.QUERY), (1, InputRole.QUERY)]


def test_a_key_reads_the_text_of_an_item() -> None:
    """With a key the items may be anything that holds the text."""
    ((items, vectors),) = embed_batches(LengthEmbedder(), [{"body": "abc"}], key=lambda row: row["body"])
    assert items == [{"body": "abc"}]
    assert vectors.tolist() == [[3]]


def test_an_endless_input_is_read_batch_by_batch() -> None:
    """Items are taken only as batches are asked for."""
    numbers = itertools.count()
    batches = embed_batches(LengthEmbedder(), (str(number) for number in numbers), batch_size=10)
    next(batches)
    assert next(numbers) == 10


def test_no_items_give_no_batches() -> None:
    """An empty input does not call the model."""
    embedder = LengthEmbedder()
    assert list(embed_batches(embedder, [])) == []
    assert embedder.calls == []


def test_the_position_of_a_bad_text_counts_over_all_batches() -> None:
    """A bad text in the second batch is named by its place in the whole input, and the model never sees its batch."""
    embedder = LengthEmbedder()
    batches = embed_batches(embedder, ["a", "b", "c", ""], batch_size=2)
    next(batches)
    with pytest.raises(InvalidInputError, match="Input 4 is empty") as caught:
        next(batches)
    assert caught.value.position == 4
    assert len(embedder.calls) == 1


def test_other_kinds_of_input_are_left_to_the_embedder() -> None:
    """Only an embedder of texts has its inputs checked as texts."""
    embedder = LengthEmbedder()
    embedder.kinds = frozenset({InputKind.IMAGE})
    ((_, vectors),) = embed_batches(embedder, [b"1234567"])
    assert vectors.shape == (1, 1)


def test_a_wrong_answer_of_any_embedder_is_refused() -> None:
    """What an embedder returns is checked, also one that the user wrote."""
    embedder = LengthEmbedder()
    embedder.dimensions = 2
    with pytest.raises(EmbedderResponseError, match="1 dimensions; it declares 2"):
        next(embed_batches(embedder, ["a"]))


def test_a_batch_of_nothing_is_refused_at_once() -> None:
    """A batch size below 1 is refused by the call, before anything is read."""
    with pytest.raises(InvalidOptionError, match="batch_size is 0"):
        embed_batches(LengthEmbedder(), ["a"], batch_size=0)
