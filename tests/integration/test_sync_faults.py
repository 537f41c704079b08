"""Under kills, freezes and cut connections nothing is lost; and the harness that says so finds planted bugs."""

from __future__ import annotations

import pytest
from support.faults.plants import PLANTS
from support.faults.stress import Plan, run_faults

# What a bug of these kinds does wrong shows in a quiet database; the others need the storm.
QUIET = ("no skip locked", "no fencing", "no version check", "attempts not charged")


def test_a_small_storm_leaves_everything_right(migrated_url: str) -> None:
    """After kills at random and at named points, freezes and cut connections, every row is right and late writes were refused."""
    plan = Plan(seed=5, writers=3, workers=2, kills=4, freezes=1, cut_connections=3, most_seconds=120)
    report = run_faults(migrated_url, plan)
    assert report.problems == []
    assert report.faults["kill"] == 4
    assert report.refused > 0


@pytest.mark.parametrize("plant", QUIET)
def test_a_planted_bug_is_found_in_a_quiet_database(migrated_url: str, plant: str) -> None:
    """Each of these bugs gives a wrong answer to one of the harness's questions."""
    assert len(run_faults(migrated_url, Plan(seed=1, plant=plant)).problems) == 1


@pytest.mark.full
@pytest.mark.parametrize("plant", [plant for plant in PLANTS if plant not in QUIET])
def test_a_planted_bug_is_found_in_a_storm(migrated_url: str, plant: str) -> None:
    """Each of these bugs leaves rows behind that are wrong, lost or gone."""
    plan = Plan(seed=3, writers=3, workers=2, kills=6, freezes=2, plant=plant, most_seconds=60)
    assert run_faults(migrated_url, plan).problems
