"""The confidence interval of a measured recall."""

from __future__ import annotations

import numpy as np
import pytest

from pgvec.model import recall_interval


def test_a_perfect_sample_proves_no_perfection():
    """Without any miss the upper end is 1, and the lower end rises with the queries, not with their rows."""
    low, high = recall_interval([1.0] * 200, 10)
    assert high == 1.0
    assert 0.97 < low < 0.99
    assert recall_interval([1.0] * 50, 10)[0] < low
    assert recall_interval([1.0] * 200, 100)[0] == low


def test_one_query_is_no_certainty():
    """A single query gives a wide interval."""
    low, high = recall_interval([1.0], 10)
    assert low < 0.3
    assert high == 1.0


@pytest.mark.parametrize("recall", [0.6, 0.95])
def test_the_interval_holds_the_truth(recall: float):
    """About 95 of 100 samples have the true recall in their interval, whether misses cluster in few queries or not."""
    random = np.random.default_rng(5)
    for concentration in (1.0, 50.0):
        chances = random.beta(recall * concentration, (1 - recall) * concentration, size=(300, 100))
        samples = random.binomial(10, chances) / 10
        inside = sum(low <= recall <= high for low, high in (recall_interval(list(sample), 10) for sample in samples))
        assert inside / 300 >= 0.92


def test_misses_that_cluster_widen_the_interval():
    """Ten misses in one query say less than one miss in each of ten."""
    clustered = recall_interval([0.0] + [1.0] * 99, 10)
    spread = recall_interval([0.9] * 10 + [1.0] * 90, 10)
    assert clustered[1] - clustered[0] > spread[1] - spread[0]
