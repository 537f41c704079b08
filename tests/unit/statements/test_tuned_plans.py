"""How the planner takes an ``ef_search`` from what tuning stored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.models import Article

from pgvec.model import CatalogIndex, TableFacts, TunedSetting
from pgvec.orm.reading import read_target
from pgvec.statements.plan import SearchPlan, SearchShape
from pgvec.statements.planner import choose_plan

TARGET = read_target(Article)
assert TARGET.index is not None
INDEX = CatalogIndex("ix", replace(TARGET.index, name="ix"), valid=True, rows=1e6, predicate=())


def plan(*settings: tuple[float, int, int], recall: float | None, limit: int = 10) -> SearchPlan:
    """Plan an unfiltered search of a large table where ``(target, ef_search, limit)`` were stored."""
    stored = tuple(TunedSetting("ix", "all", target, ef, target, most) for target, ef, most in settings)
    facts = TableFacts(1e6, 1e5, indexes=(INDEX,), settings=stored)
    return choose_plan(TARGET, SearchShape(limit), None, facts, recall=recall)


def test_a_recall_that_was_asked_for_takes_the_measured_setting_as_it_is():
    """It may be below the default of the server, and what the session has set does not raise it."""
    chosen = plan((0.9, 15, 10), (0.95, 30, 10), (0.99, 120, 10), recall=0.9)
    assert (chosen.ef_search, chosen.ef_is_floor) == (15, False)
    assert plan((0.9, 15, 10), (0.95, 30, 10), recall=0.93).ef_search == 30


def test_without_a_recall_a_setting_only_raises():
    """Nobody who asked for nothing gets less than the server's default, or than what the session has set."""
    assert plan((0.95, 30, 10), recall=None).ef_search is None
    raised = plan((0.95, 120, 10), recall=None)
    assert (raised.ef_search, raised.ef_is_floor) == (120, True)


def test_an_unmeasured_recall_goes_by_a_rule_and_says_so():
    """Settings of lower targets do not count."""
    chosen = plan((0.9, 15, 10), recall=0.99)
    assert chosen.ef_search == 200
    assert any("pgvec tune" in warning for warning in chosen.warnings)


@pytest.mark.parametrize(("limit", "ef"), [(5, 30), (10, 30), (20, 100), (100, 100), (200, 200), (400, 400)])
def test_more_rows_than_were_measured_look_at_more_elements(limit: int, ef: int):
    """The setting of the next larger limit is taken; beyond the largest it grows with the limit."""
    assert plan((0.95, 30, 10), (0.95, 100, 100), recall=0.95, limit=limit).ef_search == ef
