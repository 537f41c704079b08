"""``docs/media.md`` does what it says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "media.md"


@pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None or importlib.util.find_spec("PIL") is None,
    reason="needs the extras 'local' and 'media'",
)
def test_the_examples_run_on_a_small_model(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every example runs as it stands, in the order of the page, where the folder ``models/clip`` holds a model."""
    from benchmarks.cross_modal.encoder import train_encoder

    train_encoder(tmp_path / "models" / "clip", [], steps=0)
    monkeypatch.setenv("PGVEC_URL", empty_database_url)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "media"}
    text = PAGE.read_text()
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        source = "\n" * text.count("\n", 0, block.start(1)) + block[1]
        exec(compile(source, str(PAGE), "exec", dont_inherit=True), names)
