"""How the model libraries are imported."""

from __future__ import annotations

import importlib
import os
import types

import pytest

from pgvec.local_models import loading


@pytest.mark.parametrize(("given", "seen"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_asleep_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: str | None, seen: str
) -> None:
    """While torch is imported OpenMP is told to wait asleep, the user's own setting wins, and nothing stays behind."""
    if given is None:
        monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    else:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    policies = []

    def import_module(name: str) -> types.ModuleType:
        policies.append(os.environ.get("OMP_WAIT_POLICY"))
        return types.ModuleType(name)

    monkeypatch.setattr(importlib, "import_module", import_module)
    assert loading.import_library().__name__ == "sentence_transformers"
    assert policies == [seen]
    assert os.environ.get("OMP_WAIT_POLICY") == given
