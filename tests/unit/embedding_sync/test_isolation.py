"""One bad text does not take its batch along."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.content_embedder import ContentEmbedder, expected_vector

from pgvec.embedding_sync.isolation import Failure, embed_isolating
from pgvec.errors import EmbedderResponseError, EmbedderUnavailableError, InvalidInputError


def refusing(bad: set[str], error: Exception) -> ContentEmbedder:
    def before(texts: list[str]) -> None:
        if bad & set(texts):
            raise error

    return ContentEmbedder(before=before)


@given(st.sets(st.integers(0, 63), max_size=4), st.integers(1, 64))
def test_exactly_the_bad_texts_fail(bad: set[int], count: int) -> None:
    """Every other text gets its own vector, and each bad one is found to be alone."""
    texts = [f"text {number}" for number in range(count)]
    embedder = refusing({f"text {number}" for number in bad}, InvalidInputError("bad"))
    outcomes = embed_isolating(embedder, texts)
    for number, (text, outcome) in enumerate(zip(texts, outcomes, strict=True)):
        if number in bad:
            assert isinstance(outcome, Failure)
            assert outcome.is_alone
        else:
            assert np.array_equal(outcome, expected_vector(text))


def test_no_text_no_call() -> None:
    """Without texts the model is not called."""
    embedder = ContentEmbedder()
    assert embed_isolating(embedder, []) == []
    assert embedder.calls == []


def test_an_outage_ends_the_search() -> None:
    """A model out of reach is asked once."""
    embedder = refusing({"a"}, EmbedderUnavailableError("down"))
    outcomes = embed_isolating(embedder, ["a", "b", "c"])
    assert len(embedder.calls) == 1
    assert all(isinstance(outcome, Failure) and outcome.is_outage for outcome in outcomes)


def test_what_was_embedded_before_an_outage_is_kept() -> None:
    """Vectors of the parts that came back are not thrown away."""

    def before(texts: list[str]) -> None:
        if len(texts) == 4:
            raise InvalidInputError("too many")
        if "d" in texts:
            raise EmbedderUnavailableError("down")

    first, second, third, fourth = embed_isolating(ContentEmbedder(before=before), ["a", "b", "c", "d"])
    assert np.array_equal(first, expected_vector("a"))
    assert np.array_equal(second, expected_vector("b"))
    assert isinstance(third, Failure)
    assert isinstance(fourth, Failure)


@pytest.mark.parametrize("answer", [[[1.0] * 8], [[1.0] * 7] * 2, [[float("nan")] * 8] * 2, [[1.0] * 8] * 3, None])
def test_an_answer_of_another_form_is_never_used(answer: object) -> None:
    """Too few, too many, too short or not finite: no vector is given to a text."""

    class Strange(ContentEmbedder):
        def embed(self, inputs, *, role):
            assert role
            return answer if len(inputs) == 2 else super().embed(inputs, role=role)[:0]

    outcomes = embed_isolating(Strange(), ["a", "b"])
    assert all(isinstance(outcome, Failure) for outcome in outcomes)
    assert all(isinstance(outcome.error, EmbedderResponseError) for outcome in outcomes)
