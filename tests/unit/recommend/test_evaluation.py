"""Recommendations are judged by what users did later."""

from __future__ import annotations

import math

import pytest

from pgvec.errors import InvalidInputError, InvalidOptionError
from pgvec.recommend import Event, evaluate, temporal_split

BEFORE = [Event("ann", 1, 1.0), Event("ann", 2, 2.0), Event("bob", 1, 3.0), Event("cat", 4, 3.0)]
AFTER = [
    Event("ann", 3, 4.0),
    Event("ann", 5, 4.0),
    Event("ann", 1, 5.0),
    Event("bob", 2, 6.0),
    Event("bob", 6, 6.0, -1.0),
]


def test_the_measures_are_those_of_their_definitions() -> None:
    """NDCG and recall are means over users; coverage counts items, novelty bits; what a user had or disliked is not relevant."""
    answers = {"ann": [3, 6, 3, 5, 4], "bob": [6, 3]}
    report = evaluate(answers.__getitem__, BEFORE, AFTER, items=range(1, 11), limit=3)
    ideal = 1 + 1 / math.log2(3)
    assert report.ndcg == pytest.approx(((1 + 1 / math.log2(4)) / ideal + 0) / 2)
    assert report.recall == pytest.approx((1 + 0) / 2)
    assert report.coverage == pytest.approx(3 / 10)
    assert report.novelty == pytest.approx(math.log2(3))
    assert (report.users, report.limit) == (2, 3)
    assert str(report).startswith("nDCG@3 0.460  recall@3 0.500  coverage 30.0%")


def test_a_split_is_one_moment() -> None:
    """Events of the same moment stay together, in whatever order they come."""
    before, after = temporal_split([*AFTER, *BEFORE], 0.34)
    assert [event.at for event in before] == [1.0, 2.0, 3.0, 3.0]
    assert sorted(after) == sorted(AFTER)
    with pytest.raises(InvalidInputError, match="cannot be split"):
        temporal_split([Event("ann", 1, 1.0)] * 5)
    with pytest.raises(InvalidOptionError, match="earlier"):
        temporal_split(BEFORE, 1.5)
    with pytest.raises(InvalidInputError, match="nothing to judge by"):
        evaluate(lambda _user: [], BEFORE, [], items=[1])
