"""What goes into an embedder, and what may come back."""

from __future__ import annotations

import numpy as np
import pytest

from pgvec.embedders import InputRole, check_embeddings, check_texts
from pgvec.embedders.checks import check_role
from pgvec.errors import EmbedderResponseError, InvalidInputError, InvalidOptionError


def test_texts_come_back_as_they_are() -> None:
    """Good texts are returned unchanged, in order."""
    assert check_texts(("b", " a ", "é 漢 🐘")) == ["b", " a ", "é 漢 🐘"]


@pytest.mark.parametrize(
    ("bad", "why"),
    [("", "empty"), (" \n\t", "empty"), (None, "NoneType"), (7, "int"), (b"x", "bytes"), ("a\ud800", "surrogate")],
)
def test_a_bad_text_is_named_by_position(bad: object, why: str) -> None:
    """An input that is no text to embed is refused with its position, counted from 1."""
    with pytest.raises(InvalidInputError, match=rf"Input 3 .*{why}") as caught:
        check_texts(["fine", "fine", bad, ""])
    assert caught.value.position == 3


@pytest.mark.parametrize("alone", ["one text", b"bytes"])
def test_a_text_alone_is_refused(alone: object) -> None:
    """A text given instead of a sequence is refused, not split into its characters."""
    with pytest.raises(InvalidInputError, match=r"write \[text\]"):
        check_texts(alone)


@pytest.mark.parametrize(
    "vectors",
    [
        [[1, 2], [3, 4]],
        ((1.0, 2.0), (3.0, 4.0)),
        np.array([[1, 2], [3, 4]], dtype=np.float64),
        np.asfortranarray(np.array([[1, 2], [3, 4]], dtype=np.float16)),
        np.array([[1, 0, 2, 0], [3, 0, 4, 0]], dtype=np.float32)[:, ::2],
    ],
)
def test_answers_become_contiguous_float32(vectors: object) -> None:
    """Lists and arrays of any real type and layout become C-contiguous float32."""
    result = check_embeddings(vectors, 2, 2)
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    assert result.tolist() == [[1, 2], [3, 4]]


def test_no_inputs_give_an_empty_matrix() -> None:
    """An answer without vectors to no inputs has the width of the model."""
    assert check_embeddings([], 0, 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("vectors", "why"),
    [
        ([[1.0, 2.0]], "1 vectors for 2 inputs"),
        ([[1.0, 2.0]] * 3, "3 vectors for 2 inputs"),
        ([], "for 2 inputs|shape"),
        ([[1.0], [2.0]], "1 dimensions; it declares 2"),
        ([[1.0, 2.0, 3.0]] * 2, "3 dimensions; it declares 2"),
        ([[1.0, 2.0], [1.0]], "unequal length"),
        ([1.0, 2.0], "shape"),
        ([["1", "2"], ["3", "4"]], "not numbers"),
        ([[None, 1.0], [1.0, 1.0]], "not numbers"),
        (np.ones((2, 2), dtype=complex), "not numbers"),
        ([[1.0, 2.0], [float("nan"), 1.0]], "input 2 of 2"),
        ([[float("inf"), 2.0], [1.0, 1.0]], "input 1 of 2"),
        ([[1e300, 2.0], [1.0, 1.0]], "input 1 of 2"),
    ],
)
def test_a_wrong_answer_is_refused(vectors: object, why: str) -> None:
    """A wrong count, width or type, and values that float32 cannot hold, are refused."""
    with pytest.raises(EmbedderResponseError, match=why):
        check_embeddings(vectors, 2, 2)


def test_a_role_may_be_given_by_name() -> None:
    """A role is taken as a member or as its value."""
    assert check_role("query") is check_role(InputRole.QUERY) is InputRole.QUERY


def test_an_unknown_role_is_refused() -> None:
    """Another word is refused with the words that there are."""
    with pytest.raises(InvalidOptionError, match=r"'answer'.*'query' or 'document'"):
        check_role("answer")
