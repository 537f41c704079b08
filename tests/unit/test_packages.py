"""Packages are doors: their ``__init__`` imports and lists names, and does nothing else."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import pgvec

ROOT = Path(pgvec.__file__).parent
PACKAGES = sorted(
    path for path in ROOT.rglob("__init__.py") if "_migrations" not in path.parts and "__pycache__" not in path.parts
)
MODULES = sorted(
    module.name for module in pkgutil.walk_packages([str(ROOT)], "pgvec.") if "_migrations" not in module.name
)


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT.parent).parent))
def test_an_init_file_has_no_logic(path: Path) -> None:
    """It holds a docstring, imports and a sorted ``__all__``."""
    docstring, *body = ast.parse(path.read_text()).body
    assert isinstance(docstring, ast.Expr)
    for node in body:
        assert isinstance(node, ast.Import | ast.ImportFrom | ast.Assign), ast.unparse(node)
        if isinstance(node, ast.Assign):
            assert [ast.unparse(target) for target in node.targets] == ["__all__"]
            names = ast.literal_eval(node.value)
            # As ruff sorts them: constants, classes, functions.
            assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_for(name: str) -> None:
    """Each module imports (or names the extra that it needs) and has a docstring."""
    try:
        module = importlib.import_module(name)
    except ImportError as exc:
        assert "pip install" in str(exc) or exc.name in {"typer", "rich", "click"}, name  # noqa: PT017
        return
    assert module.__doc__
    exported = getattr(module, "__all__", [])
    assert all(hasattr(module, item) for item in exported)


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("pgvec.model")])
def test_the_vocabulary_needs_no_library(name: str) -> None:
    """Floor 1 imports the standard library and floor 0 only (NumPy's types for annotations aside)."""
    tree = ast.parse(Path(str(importlib.import_module(name).__file__)).read_text())
    guarded = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in guarded or not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        assert not any(part.split(".")[0] in {"numpy", "sqlalchemy", "psycopg", "pgvector"} for part in names), name
