"""``manage.py pgvec_index`` shows, builds, rebuilds and drops the indexes of models while their tables are in use."""

from __future__ import annotations

import io

import psycopg
import pytest

pytest.importorskip("django")

from django.core.management import CommandError, call_command

ARTICLES = "library_art_embeddi_b316b1_hnsw"


def pgvec_index(*arguments: str, **options: str) -> str:
    output = io.StringIO()
    call_command("pgvec_index", *arguments, stdout=output, **options)
    return output.getvalue()


@pytest.fixture
def plain(django_url: str):
    """A connection beside Django's, as a superuser in autocommit."""
    with psycopg.connect(django_url, autocommit=True) as connection:
        yield connection


def state(plain: psycopg.Connection, name: str) -> bool | None:
    row = plain.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name]).fetchone()
    return None if row is None else row[0]


def test_list_shows_every_declared_index(plain):
    """Each index stands in a line with its model, its kind, and how it stands in the database."""
    plain.execute("DROP INDEX shape_full_bits")
    plain.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'photo_vector'::regclass")
    lines = {line.split()[1]: line for line in pgvec_index("list").splitlines()}
    assert len(lines) == 9
    assert lines[ARTICLES].startswith("library.Article  ")
    assert "hnsw  valid, 0.0 MB" in lines[ARTICLES]
    assert "missing" in lines["shape_full_bits"]
    assert "INVALID" in lines["photo_vector"]


def test_build_builds_what_is_missing(plain):
    """Without names, every missing index is built, what a killed build left is built anew, and the rest is left alone."""
    plain.execute("DROP INDEX shape_full_bits")
    plain.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'photo_vector'::regclass")
    said = pgvec_index("build")
    assert "shape_full_bits: built" in said
    assert "photo_vector: built" in said
    assert f"{ARTICLES}: is there" in said
    assert state(plain, "shape_full_bits") is state(plain, "photo_vector") is True


def test_drop_and_build_by_model(plain):
    """Indexes are named one by one, or all of a model together."""
    said = pgvec_index("drop", "library.Photo", ARTICLES)
    assert "photo_vector: dropped" in said
    assert state(plain, ARTICLES) is state(plain, "photo_vector") is None
    assert "photo_vector: is not there" in pgvec_index("drop", "photo_vector")
    assert pgvec_index("build", "photo_vector", database="other") == "photo_vector: built\n"
    assert state(plain, ARTICLES) is None


def test_rebuild_makes_another_index_of_the_same_name(plain):
    """The index is another one afterwards, and what a killed rebuild left behind is gone."""
    before = plain.execute("SELECT 'photo_vector'::regclass::oid").fetchone()
    plain.execute('CREATE INDEX photo_vector_ccnew ON "Photo Album" USING hnsw (vector vector_l2_ops)')
    plain.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'photo_vector_ccnew'::regclass")
    size = "SELECT pg_relation_filenode('photo_vector')"
    old = plain.execute(size).fetchone()
    assert pgvec_index("rebuild", "photo_vector") == "photo_vector: rebuilt\n"
    assert plain.execute(size).fetchone() != old
    assert before is not None
    assert state(plain, "photo_vector") is True
    assert state(plain, "photo_vector_ccnew") is None


def test_what_cannot_be_done_is_said(plain):
    """A name that no model declares, an action without names, and an index that is not there are errors of the command."""
    with pytest.raises(CommandError, match="No model declares"):
        pgvec_index("build", "nothing")
    for action in ("drop", "rebuild"):
        with pytest.raises(CommandError, match=f"Name the indexes to {action}"):
            pgvec_index(action)
    plain.execute("DROP INDEX photo_vector")
    with pytest.raises(CommandError, match="build it"):
        pgvec_index("rebuild", "photo_vector")
    plain.execute('ALTER TABLE "Photo Album" RENAME COLUMN vector TO gone')
    with pytest.raises(CommandError, match="42703"):
        pgvec_index("build", "photo_vector")
