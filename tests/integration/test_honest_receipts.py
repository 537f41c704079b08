"""What a receipt claims is true: random filters and queries against the plainest answer."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest
import sqlalchemy as sa
from fix_level import FULL
from sqlalchemy.orm import Session
from support.filters import Filters
from support.searched_table import DIMENSIONS, Searched, fill_searched, true_answer

from pgvec import Matches, Repository
from pgvec.model import Strategy
from pgvec.statements.filters import build_filter

# ``make test-receipts`` asks for as much as it takes to be sure.
ROWS = int(os.environ.get("PGVEC_RECEIPT_ROWS", "20000" if FULL else "4000"))
FILTERS = int(os.environ.get("PGVEC_RECEIPT_FILTERS", "400" if FULL else "150"))
SEEDS = (11, 12)


def check(found: Matches[object], truth_matching: int, distances: np.ndarray, limit: int) -> None:
    """Refute the receipt if it can be refuted."""
    receipt = found.receipt
    returned = [match.distance for match in found]
    assert receipt.returned == len(found)
    assert receipt.requested == limit
    assert len(found) == min(limit, truth_matching), "an answer is short"
    if receipt.complete:
        assert len(found) == min(limit, truth_matching)
    if receipt.exact:
        np.testing.assert_allclose(returned, distances, rtol=1e-5, atol=1e-6)
    if receipt.matching_is_exact:
        assert receipt.matching == truth_matching
    else:
        assert receipt.matching <= truth_matching


@pytest.mark.parametrize("seed", SEEDS)
def test_receipts_claim_nothing_that_a_full_check_refutes(engine: sa.Engine, seed: int) -> None:
    """``complete``, ``exact`` and ``matching`` hold for every random filter, and no answer is ever short."""
    fill_searched(engine, seed, ROWS)
    filters, rng = Filters(seed), np.random.default_rng(seed)
    strategies: Counter[Strategy] = Counter()
    with Session(engine) as session:
        repository = Repository(session, Searched)
        for _ in range(FILTERS // len(SEEDS)):
            where, query = filters.filter(), rng.standard_normal(DIMENSIONS)
            limit = int(rng.choice([1, 10, 10, 60]))
            found = repository.search(query, where=where, limit=limit, columns=("id",))
            truth = true_answer(session, build_filter(repository.target, where), query, limit)
            check(found, truth.matching, truth.distances, limit)
            strategies[found.receipt.strategy] += 1
    assert strategies[Strategy.EXACT] > 0
    assert strategies[Strategy.INDEX] > 0
