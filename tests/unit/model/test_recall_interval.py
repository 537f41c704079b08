"""The confidence interval of a measured recall."""

from __future__ import annotations

import numpy as np
import pytest

from pgvec.model import recall_interval


def test_a_perfect_sample_proves_no_perfection():
    """Without any miss the upper end is 1, and the lower end rises with the queries."""
    low, high = recall_interval([1.0] * 200)
    assert high == 1.0
    assert 0.97 < low < 0.99
    assert recall_interval([1.0] * 50)[0] < low


def test_one_query_is_no_certainty():
    """A single query gives a wide interval."""
    low, high = recall_interval([1.0])
    assert low < 0.3
    assert high == 1.0


@pytest.mark.parametrize("recall", [0.6, 0.95])
def test_the_interval_holds_the_truth(recall: float):
    """About 95 of 100 samples have the true recall in their interval, whether misses cluster in few queries or not."""
    random = np.random.default_rng(5)
    for concentration in (1.0, 50.0):
        chances = random.beta(recall * concentration, (1 - recall) * concentration, size=(300, 100))
        samples = random.binomial(10, chances) / 10
        inside = sum(low <= recall <= high for low, high in (recall_interval(list(sample)) for sample in samples))
        assert inside / 300 >= 0.92


def test_a_rare_query_that_finds_nothing_is_reckoned_with():
    """Where one query in 125 finds nothing, most samples of 200 see it once or twice or never: they do not claim too much."""
    random = np.random.default_rng(7)
    samples = (random.random((300, 200)) >= 0.008).astype(float)
    inside = sum(low <= 0.992 <= high for low, high in map(recall_interval, samples.tolist()))
    assert inside / 300 >= 0.95
