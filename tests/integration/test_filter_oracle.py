"""Random filters: what Postgres finds equals what plain Python says."""

from __future__ import annotations

import pytest
from fix_database import sqlalchemy_url
from fix_level import FULL, examples
from sqlalchemy import Engine, create_engine
from support.filter_table import VALUES
from support.filters import ON_JSON, check_filters, operators_on

# Parts of one run, so that workers can share it.
SEEDS = (1, 2, 3, 4)
POOLED_SEEDS = (5, 6, 7, 8) if FULL else (5,)


@pytest.mark.parametrize("seed", SEEDS)
def test_filters_mean_what_the_oracle_says(engine: Engine, seed: int):
    """Every random filter finds exactly the rows that plain Python finds, by index and by sequential scan."""
    used = check_filters(engine, seed=seed, count=examples(dev=2_000, full=20_000) // len(SEEDS))

    known = {(attribute, operator) for attribute in VALUES for operator in operators_on(attribute)}
    known |= {("metadata_", operator) for operator in ON_JSON}
    assert len(known - set(used)) <= len(known) // 10


@pytest.mark.parametrize("seed", POOLED_SEEDS)
def test_filters_mean_the_same_through_pgbouncer(pgbouncer: str, seed: int):
    """A pool in transaction mode changes nothing of what filters find."""
    engine = create_engine(sqlalchemy_url(pgbouncer), connect_args={"prepare_threshold": None})
    try:
        check_filters(engine, seed=seed, count=examples(dev=200, full=20_000) // len(POOLED_SEEDS), row_count=80)
    finally:
        engine.dispose()
