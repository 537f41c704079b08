"""How much to test.

By default a test of behaviour runs in one of the two worlds, synchronous and asynchronous, which share nearly all of their code;
which one follows from its name. ``TEST_LEVEL=full`` runs it in both, and adds the tests marked ``full`` and more random
examples. ``TEST_LEVEL=brief`` leaves one case of each test that has many, which tells whether other versions of what pgvec
stands on behave alike.
"""

from __future__ import annotations

import gc
import os
import zlib
from collections import defaultdict

import hypothesis
import pytest

LEVEL = os.environ.get("TEST_LEVEL", "dev")
FULL = LEVEL == "full"
_LEVELS = {
    "brief": "one case of each test",
    "dev": "one world for each test; TEST_LEVEL=full runs everything",
    "full": "everything",
}


def examples(*, dev: int, full: int) -> int:
    """Return the number of examples of a test that chooses them itself, for the level of this run."""
    return full if FULL else dev


def pytest_configure(config: pytest.Config) -> None:
    # A deadline is a wall-clock assertion, and a busy machine breaks it.
    hypothesis.settings.register_profile("dev", max_examples=100, deadline=None)
    hypothesis.settings.register_profile("full", max_examples=1_000, deadline=None)
    hypothesis.settings.load_profile("full" if FULL else "dev")


def pytest_report_header(config: pytest.Config) -> str:
    if LEVEL not in _LEVELS:
        raise pytest.UsageError(f"TEST_LEVEL={LEVEL}: it is one of {', '.join(_LEVELS)}")
    return f"test level: {LEVEL} ({_LEVELS[LEVEL]})"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if FULL:
        return
    skip = pytest.mark.skip(reason="runs only with TEST_LEVEL=full")
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(skip)
    kept = _one_of_each(items) if LEVEL == "brief" else {item for item in items if _in_its_world(item)}
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


def _in_its_world(item: pytest.Item) -> bool:
    """Whether a case is not one of two worlds, or is in the one that the names of test and other parameters choose."""
    world = getattr(item, "callspec", None) and item.callspec.params.get("world")  # type: ignore[attr-defined]
    if world not in ("sync", "async"):
        return True
    name = item.nodeid.replace(f"{world}-", "").replace(f"[{world}]", "")
    return world == ("sync", "async")[zlib.crc32(name.encode()) % 2]


def _one_of_each(items: list[pytest.Item]) -> set[pytest.Item]:
    """Return one case of each test, a different one for each name: not the synchronous one of all."""
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: item.nodeid):
        if not item.get_closest_marker("full"):
            cases[item.nodeid.partition("[")[0]].append(item)
    return {found[zlib.crc32(name.encode()) % len(found)] for name, found in cases.items()}


def pytest_collection_finish() -> None:
    # Hundreds of thousands of objects of modules and tests stay to the end: collections need not look through them.
    gc.collect()
    gc.freeze()
