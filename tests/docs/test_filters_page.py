"""``docs/filters.md`` does what it says."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy.orm import Session

from pgvec.model import Operator

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_examples_run(session: Session):
    """The examples work one after another, given a session, and their assertions hold."""
    names = {"__name__": "example", "session": session}
    for block in BLOCKS:
        exec(compile(block, "docs/filters.md", "exec", dont_inherit=True), names)


def test_every_operator_is_described():
    """The page has each operator of the language."""
    assert all(f"`{operator}`" in PAGE for operator in (*Operator, "$not"))
    assert all(f'"{operator}"' in PAGE for operator in ("$and", "$or", "$not"))
