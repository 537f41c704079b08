"""The cache answers as its embedder does, and asks it less."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.content_embedder import ContentEmbedder, expected_vector

from pgvec.embedders import CachedEmbedder
from pgvec.errors import ConfigurationError, InvalidInputError, InvalidOptionError


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=8), max_size=8), st.integers(1, 5))
def test_every_answer_is_that_of_the_model(batches: list[list[str]], most_texts: int) -> None:
    """Whatever is remembered or forgotten, each text gets its own vector in its place."""
    cached = CachedEmbedder(ContentEmbedder(), most_texts=most_texts)
    for batch in batches:
        vectors = cached.embed(batch)
        assert vectors.shape == (len(batch), cached.dimensions)
        assert vectors.dtype == np.float32
        for text, vector in zip(batch, vectors, strict=True):
            assert np.array_equal(vector, expected_vector(text))


def test_a_text_is_sent_once() -> None:
    """Repetitions within a batch and between batches cost no call; a question is not a document."""
    embedder = ContentEmbedder()
    cached = CachedEmbedder(embedder)
    cached.embed(["a", "b", "a"])
    cached.embed(["b", "c"])
    assert embedder.calls == [["a", "b"], ["c"]]
    assert (cached.hits, cached.misses) == (2, 3)
    assert (cached.name, cached.revision, cached.kinds) == (embedder.name, embedder.revision, embedder.kinds)


def test_the_least_recently_used_is_forgotten() -> None:
    """When it is full, what was asked for longest ago goes."""
    embedder = ContentEmbedder()
    cached = CachedEmbedder(embedder, most_texts=2)
    for texts in (["a"], ["b"], ["a"], ["c"], ["a"], ["b"]):
        cached.embed(texts)
    assert embedder.calls == [["a"], ["b"], ["c"], ["b"]]


def test_mistakes_are_told() -> None:
    """An empty text, a useless size, or a model that takes no text raises."""
    with pytest.raises(InvalidInputError):
        CachedEmbedder(ContentEmbedder()).embed([""])
    with pytest.raises(InvalidOptionError):
        CachedEmbedder(ContentEmbedder(), most_texts=0)
    blind = ContentEmbedder()
    blind.kinds = frozenset()
    with pytest.raises(ConfigurationError, match="no text"):
        CachedEmbedder(blind).embed(["a"])
