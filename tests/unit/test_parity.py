"""The two repositories are one API."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import pgvec
from pgvec import AsyncRepository, Repository


def _public(cls: type) -> dict[str, Any]:
    return {name: member for name, member in inspect.getmembers(cls) if not name.startswith("_")}


def test_both_have_the_same_methods() -> None:
    """Every public name of one repository is a name of the other."""
    assert _public(Repository).keys() == _public(AsyncRepository).keys()


@pytest.mark.parametrize("name", sorted(_public(Repository)))
def test_signatures_are_equal(name: str) -> None:
    """Parameters, defaults and annotations agree; what is a coroutine there is a function here."""
    sync, other = getattr(Repository, name), getattr(AsyncRepository, name)
    if isinstance(sync, property):
        assert isinstance(other, property)
        return
    sync_signature, async_signature = inspect.signature(sync), inspect.signature(other)
    assert sync_signature.parameters.keys() == async_signature.parameters.keys()
    for parameter, twin in zip(sync_signature.parameters.values(), async_signature.parameters.values(), strict=True):
        assert (parameter.kind, parameter.default) == (twin.kind, twin.default)
        assert twin.annotation in {parameter.annotation, f"Async{parameter.annotation}"}
    assert sync_signature.return_annotation == async_signature.return_annotation
    assert inspect.iscoroutinefunction(other)
    assert not inspect.iscoroutinefunction(sync)
    assert sync.__doc__ == other.__doc__


def test_init_parameters_are_equal() -> None:
    """Both are made with the same arguments."""
    sync = inspect.signature(Repository.__init__).parameters
    other = inspect.signature(AsyncRepository.__init__).parameters
    assert [(p.name, p.kind, p.default) for p in sync.values()] == [(p.name, p.kind, p.default) for p in other.values()]


def test_public_names() -> None:
    """What ``pgvec`` exports is sorted, exists, and is this list: a change of it is a change of the API."""
    assert pgvec.__all__ == sorted(pgvec.__all__)
    assert all(hasattr(pgvec, name) for name in pgvec.__all__)
    assert pgvec.__all__ == [
        "Advice",
        "AsyncRepository",
        "Audio",
        "CalibrationReport",
        "Diagnosis",
        "Distance",
        "Embedder",
        "Explanation",
        "Facet",
        "FacetValue",
        "FilterRecord",
        "Finding",
        "Fusion",
        "FusionReport",
        "Groups",
        "Image",
        "LoadProgress",
        "LoadReport",
        "Match",
        "MatchGroup",
        "Matches",
        "MeasureProgress",
        "RecallPoint",
        "RecallReport",
        "Receipt",
        "RecommendStrategy",
        "Repository",
        "Severity",
        "Strategy",
        "TuneReport",
        "TunedClass",
        "calibrate",
        "diagnose",
        "read_csv",
        "read_jsonl",
    ]
