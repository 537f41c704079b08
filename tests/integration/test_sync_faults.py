"""Under kills, freezes and cut connections nothing is lost; and the harness that says so finds planted bugs."""

from __future__ import annotations

import pytest
from support.faults.plants import PLANTS
from support.faults.stress import Plan, run_faults

# What these bugs do shows in questions whose answer is known; the other one needs kills at the wrong moment.
QUIET = [plant for plant in PLANTS if plant != "ack before write"]
# What a quick run looks at; the others run with TEST_LEVEL=full.
QUICK = {"no version check", "no fencing"}


def test_a_small_storm_leaves_everything_right(migrated_url: str) -> None:
    """After kills at random and at named points, freezes and cut connections, every row is right and late writes were refused."""
    plan = Plan(seed=5, writers=3, workers=2, kills=4, freezes=1, cut_connections=3, most_seconds=120)
    report = run_faults(migrated_url, plan)
    assert report.problems == []
    assert report.faults["kill"] == 4
    assert report.refused > 0


@pytest.mark.parametrize(
    "plant", [None, *(pytest.param(plant, marks=[] if plant in QUICK else pytest.mark.full) for plant in QUIET)]
)
def test_a_planted_bug_is_found_by_a_question(migrated_url: str, plant: str | None) -> None:
    """Each of these bugs gives a wrong answer to one of the harness's questions, and without a bug all are right."""
    assert len(run_faults(migrated_url, Plan(seed=1, plant=plant)).problems) == (0 if plant is None else 1)


@pytest.mark.full
def test_a_planted_bug_is_found_in_a_storm(migrated_url: str) -> None:
    """A worker that acknowledges before it writes loses rows when it is killed."""
    plan = Plan(seed=3, writers=3, workers=2, kills=6, freezes=2, plant="ack before write", most_seconds=60)
    assert run_faults(migrated_url, plan).problems
