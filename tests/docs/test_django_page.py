"""``docs/django.md`` does what it says."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

pytest.importorskip("django")

from django.db import connection
from django.test import override_settings
from support.library.words import counter

PAGE = (Path(__file__).parents[2] / "docs" / "django.md").read_text()
FOLDER = Path(__file__).parents[2] / "pgvec" / "integrations" / "django"


def test_the_examples_run(django_url: str, monkeypatch: pytest.MonkeyPatch):
    """The examples work one after another, and their assertions hold."""
    module = types.ModuleType("wordcount")
    module.embedder = counter
    monkeypatch.setitem(sys.modules, "wordcount", module)
    names: dict[str, object] = {"__name__": "docs_django"}
    with override_settings(PGVEC={"EMBEDDER": "wordcount.embedder"}):
        for block in re.finditer(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
            source = "\n" * PAGE.count("\n", 0, block.start(1)) + block[1]
            exec(compile(source, "docs/django.md", "exec", dont_inherit=True), names)
            if "class Article(" in source:
                with connection.schema_editor() as editor:
                    editor.create_model(names["Author"])
                    editor.create_model(names["Article"])
    assert names["PGVEC"] == {"EMBEDDER": "wordcount.embedder"}


def test_every_check_is_described():
    """The page has each id of the system checks, and no other."""
    used = {id_ for path in FOLDER.glob("*.py") for id_ in re.findall(r'id="(pgvec\.[EW]\d+)"', path.read_text())}
    assert set(re.findall(r"^\| `(pgvec\.[EW]\d+)` \|", PAGE, re.MULTILINE)) == used
