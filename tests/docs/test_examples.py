"""Every example runs as a newcomer runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "database.py")
EXPECTED = {
    "async_service.py": "index",
    "existing_models.py": "2000 products by copy",
    "sqlmodel_notes.py": "refused: ",
    "synced_articles.py": "a change of the text leaves 1",
    "text_search.py": "KeyboardInterrupt",
}


@pytest.mark.parametrize(
    # Loading the model in a process of its own takes half a minute; README runs the same path at every level.
    "name",
    [pytest.param(name, marks=pytest.mark.full) if name == "text_search.py" else name for name in FILES],
)
def test_an_example_runs(name: str, database_url: str) -> None:
    """The example exits cleanly, prints what it promises, and leaves no schema behind."""
    if name == "text_search.py" and find_spec("sentence_transformers") is None:
        pytest.skip("the extra 'local' is not installed")
    ran = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name]
        if name != "text_search.py"
        else [sys.executable, EXAMPLES / name],
        env=os.environ | {"PGVEC_URL": database_url},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert EXPECTED[name] in ran.stdout


def test_every_example_is_listed() -> None:
    """examples/README.md names each file."""
    listing = (EXAMPLES / "README.md").read_text()
    assert all(f"[{name}]({name})" in listing for name in FILES)
