"""``manage.py pgvec_doctor`` finds what is wrong, by the distances that models declare."""

from __future__ import annotations

import io
import json

import psycopg
import pytest

pytest.importorskip("django")

from django.core.management import CommandError, call_command


def pgvec_doctor(*arguments: str) -> str:
    output = io.StringIO()
    call_command("pgvec_doctor", *arguments, stdout=output)
    return output.getvalue()


def test_models_tell_the_distance(django_url: str) -> None:
    """A sound database has no finding; an index for another distance than a model declares is one."""
    assert "0 findings" in pgvec_doctor("--fail-on", "note")
    with psycopg.connect(django_url, autocommit=True) as plain:
        plain.execute("DROP INDEX library_art_embeddi_b316b1_hnsw")
        plain.execute("CREATE INDEX other ON library_article USING hnsw (embedding vector_l1_ops)")
    found = json.loads(pgvec_doctor("--json", "--fail-on", "never"))
    assert [finding["check"] for finding in found["findings"]] == ["index.operator_class"]
    assert "declared by library.Article.embedding" in found["findings"][0]["evidence"]
    with pytest.raises(CommandError, match="1 findings"):
        pgvec_doctor("--table", "library_article")
    assert pgvec_doctor("--ignore", "index.operator_class", "--fail-on", "note").startswith("0 findings")
    assert "index.operator_class" in pgvec_doctor("--fail-on", "never")


def test_what_cannot_be_looked_at(django_url: str) -> None:
    """A check or table that is not there is an error of the command; the checks are listed."""
    with pytest.raises(CommandError, match="no check"):
        pgvec_doctor("--ignore", "nothing")
    with pytest.raises(CommandError, match="no table"):
        pgvec_doctor("--table", "nothing")
    assert "vectors.zero" in pgvec_doctor("--list")
