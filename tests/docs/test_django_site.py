"""The Django project among the examples passes its own tests, run by Django's own runner."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from fix_programs import missing, require_program

pytest.importorskip("django")

SITE = Path(__file__).parents[2] / "examples" / "django_site"


def run(database_url: str, *arguments: str, **environment: str) -> str:
    """Run ``manage.py`` with warnings as errors, and return what it says."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *arguments],
        cwd=SITE,
        env=os.environ | {"PGVEC_URL": database_url} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_the_site_passes_its_tests(empty_database_url: str):
    """Models with joins, migrations from an empty database, pages and the admin do what the site's tests say."""
    said = run(empty_database_url, "test", "--noinput", "--exclude-tag=browser")
    assert "OK" in said
    assert "skipped" not in said


def test_the_admins_search_box_in_a_browser(empty_database_url: str):
    """A person signs in, types a question into the search box, and finds what is near in meaning, nearest first."""
    require_program("chromium", "it shows the admin (apt-get install chromium)")
    require_program("chromedriver", "it drives Chromium (apt-get install chromium-driver)")
    if find_spec("selenium") is None:
        missing("selenium is not installed: it types into the admin's search box")
    said = run(empty_database_url, "test", "--noinput", "--tag=browser")
    assert "OK" in said
    assert "skipped" not in said


@pytest.mark.full
def test_the_commands_of_its_readme(empty_database_url: str):
    """The site migrates an empty database, loads its articles, and embeds them."""
    embedder = {"NEWSROOM_EMBEDDER": "articles.embedding.word_embedder"}
    run(empty_database_url, "migrate", **embedder)
    assert "8 articles loaded" in run(empty_database_url, "load_articles", **embedder)
    assert "8 texts were embedded" in run(empty_database_url, "embed_articles", **embedder)
