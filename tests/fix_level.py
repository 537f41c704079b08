"""How much to test: ``TEST_LEVEL=full`` adds the tests marked ``full`` and more Hypothesis examples."""

from __future__ import annotations

import gc
import os

import hypothesis
import pytest

FULL = os.environ.get("TEST_LEVEL", "dev") == "full"


def examples(*, dev: int, full: int) -> int:
    """Return the number of examples of a test that chooses them itself, for the level of this run."""
    return full if FULL else dev


def pytest_configure(config: pytest.Config) -> None:
    # A deadline is a wall-clock assertion, and a busy machine breaks it.
    hypothesis.settings.register_profile("dev", max_examples=100, deadline=None)
    hypothesis.settings.register_profile("full", max_examples=1_000, deadline=None)
    hypothesis.settings.load_profile("full" if FULL else "dev")


def pytest_report_header(config: pytest.Config) -> str:
    return f"test level: {'full' if FULL else 'dev (TEST_LEVEL=full runs everything)'}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if FULL:
        return
    skip = pytest.mark.skip(reason="runs only with TEST_LEVEL=full")
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(skip)


def pytest_collection_finish() -> None:
    # Hundreds of thousands of objects of modules and tests stay to the end: collections need not look through them.
    gc.collect()
    gc.freeze()
