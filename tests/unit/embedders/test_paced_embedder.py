"""An embedder may be given so many texts a second."""

from __future__ import annotations

import pytest
from support.content_embedder import ContentEmbedder

from pgvec.embedders import PacedEmbedder
from pgvec.errors import InvalidOptionError


def test_it_waits_for_what_went_before() -> None:
    """The first call goes at once, the next waits for as long as the texts of the first take; it is the same model."""
    waited: list[float] = []
    inner = ContentEmbedder()
    paced = PacedEmbedder(inner, 2.0, sleep=waited.append)
    paced.embed(["a", "b", "c", "d"])
    assert waited == []
    assert paced.embed(["e"]).shape == (1, 8)
    assert waited == [pytest.approx(2.0, abs=0.5)]
    assert (paced.name, paced.revision, paced.dimensions) == (inner.name, inner.revision, inner.dimensions)
    assert paced.kinds == inner.kinds


def test_a_rate_is_positive() -> None:
    """Nothing would ever be embedded otherwise."""
    with pytest.raises(InvalidOptionError, match="positive"):
        PacedEmbedder(ContentEmbedder(), 0)
