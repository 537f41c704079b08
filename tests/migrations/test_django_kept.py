"""Django migrations that make keyword indexes and syncs of embeddings, and take them back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

pytest.importorskip("django")

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import connection, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter

from pgvec.errors import InvalidOptionError
from pgvec.integrations.django import EmbeddingField, EmbeddingSync, HnswIndex, KeywordIndex

FIELD = {"source": ("title", "body"), "embedder": "counter"}
_names = iter(range(1_000))


def note(*indexes: Any, table: str = "note", **field: Any) -> ModelState:
    """Return what migrations would see of a model with these indexes, whose embedding field has these options."""
    meta = {"app_label": f"kept{next(_names)}", "db_table": table}
    if indexes:
        meta["indexes"] = indexes
    model: Any = type(
        "Note",
        (models.Model,),
        {
            "__module__": __name__,
            "Meta": type("Meta", (), meta),
            "id": models.BigAutoField(primary_key=True),
            "title": models.CharField(max_length=100, db_column="Head % line"),
            "body": models.TextField(default="it's"),
            "embedding": EmbeddingField(8, null=True, **field),
        },
    )
    state = ModelState.from_model(model)
    state.app_label = "kept"
    return state


class Renames(MigrationQuestioner):
    """Answers that what looks renamed is."""

    def ask_rename(self, *_: Any) -> bool:
        return True


def project(*models_: ModelState) -> ProjectState:
    state = ProjectState()
    for one in models_:
        model = one.clone()
        model.options = dict(one.options)
        state.add_model(model)
    return state


def operations(before: ProjectState, after: ProjectState) -> list[Any]:
    """Return what makemigrations would write, as it comes out of the file."""
    graph = MigrationLoader(None, ignore_no_migrations=True).graph
    # Django takes apart what it compares.
    detector = MigrationAutodetector(project(*before.models.values()), project(*after.models.values()), Renames())
    found = [op for one in detector._detect_changes(graph=graph).get("kept", []) for op in one.operations]
    migration = type("Migration", (Migration,), {"operations": found, "dependencies": []})("0001", "kept")
    names: dict[str, Any] = {}
    exec(compile(MigrationWriter(migration).as_string(), "migration", "exec"), names)
    return list(names["Migration"].operations)


def migration(found: list[Any]) -> Migration:
    made = Migration("0001", "kept")
    made.operations = found
    return made


def apply(found: list[Any], before: ProjectState) -> ProjectState:
    with connection.schema_editor(atomic=True) as editor:
        return migration(found).apply(before.clone(), editor)


def unapply(found: list[Any], before: ProjectState) -> None:
    with connection.schema_editor(atomic=True) as editor:
        migration(found).unapply(before.clone(), editor)


def kept(url: str) -> tuple[list[Any], list[Any]]:
    """Return the keyword indexes and syncs of the database."""
    with psycopg.connect(url) as plain:
        words = plain.execute("SELECT name, text_columns, weights, config::text, k1, b FROM pgvec.keyword_index")
        syncs = plain.execute(
            "SELECT source_columns, target_column, embedder, template, priority FROM pgvec.embedding_sync "
            "WHERE name NOT LIKE 'public.library%'"
        )
        return [row for row in words.fetchall() if row[0] != "essay_words"], syncs.fetchall()


STATES: dict[str, Callable[[], ModelState]] = {
    "field": lambda: note(**FIELD),
    "field and an index": lambda: note(HnswIndex(fields=["embedding"]), **FIELD),
    "keyword": lambda: note(KeywordIndex(fields=["title", "body"])),
    "keyword with options": lambda: note(
        KeywordIndex(fields=["body", "title"], weights=[1, 2.5], config="pg_catalog.german", k1=1.5, b=0.5, name="w")
    ),
    "both": lambda: note(KeywordIndex(fields=["title", "body"]), **FIELD),
    "sync with options": lambda: note(
        EmbeddingSync(
            fields=["body"],
            column="embedding",
            embedder="it's",
            template="100%: {body}",
            priority=-3,
            backfill="missing",
        )
    ),
    "two keyword indexes": lambda: note(
        KeywordIndex(fields=["title"], name="one"), KeywordIndex(fields=["title"], config="simple", name="two")
    ),
    # (Django itself cannot drop a table that has a % in its name.)
    "in need of quotes": lambda: note(KeywordIndex(fields=["title"]), table="it's a Table", **FIELD),
}


@pytest.mark.parametrize("name", STATES)
def test_from_nothing_and_back(django_url: str, dump_schema: Callable[[str], str], name: str):
    """What makemigrations writes makes the model as declared; then it has nothing to write; a second time it makes the same."""
    made = STATES[name]()
    before, after = project(), project(made)
    found = operations(before, after)
    reached = apply(found, before)
    assert operations(reached, after) == []
    there, dumped = kept(django_url), dump_schema(django_url)
    assert any(there)
    unapply(found, before)
    apply(found, before)
    assert kept(django_url) == there
    assert normal(dump_schema(django_url)) == normal(dumped)


def normal(dump: str) -> str:
    """Leave out of a dump the numbers that are given in the order of creation."""
    return re.sub(r"(keyword_|sync_|i\.id = )\d+", r"\1N", dump)


@pytest.mark.parametrize("name", STATES)
def test_on_a_table_that_exists_and_back(django_url: str, dump_schema: Callable[[str], str], name: str):
    """Added to a table with rows they work for those, and taken back they leave the table as it was."""
    made = STATES[name]()
    bare = note(table=made.options["db_table"])
    before, after = project(bare), project(made)
    apply(operations(project(), before), project())
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {connection.ops.quote_name(made.options['db_table'])} VALUES (1, 'rain', 'wind', NULL)"
        )
    plain = normal(dump_schema(django_url))
    found = operations(before, after)
    for _ in range(2):
        reached = apply(found, before)
        assert any(kept(django_url))
        assert operations(reached, after) == []
        unapply(found, before)
        assert kept(django_url) == ([], [])
        assert normal(dump_schema(django_url)) == plain


def test_another_embedder_declares_the_sync_anew(django_url: str):
    """A change of embedder, of sources or of options is a removal and an addition, both ways."""
    states = [
        note(**FIELD),
        note(**FIELD | {"embedder": "other"}),
        note(**FIELD | {"source": ("body",)}),
        note(KeywordIndex(fields=["title"], name="w")),
        note(KeywordIndex(fields=["title"], name="w", k1=2.0)),
        note(KeywordIndex(fields=["title"], name="renamed", k1=2.0)),
    ]
    before = project()
    seen = []
    for state in states:
        after = project(state)
        found = operations(before, after)
        assert operations(apply(found, before), after) == []
        seen.append(kept(django_url))
        if before.models:
            unapply(found, before)
            assert kept(django_url) == seen[-2]
            apply(found, before)
        before = after
    assert [sync[2] for _, syncs in seen for sync in syncs] == ["counter", "other", "counter"]
    assert [(words[0][0], words[0][4]) for words, _ in seen if words] == [("w", 1.2), ("w", 2.0), ("renamed", 2.0)]


def test_a_renamed_table_keeps_them(django_url: str):
    """When a model's table gets another name, the index of words is made anew and the sync goes along."""
    before, after = (project(note(KeywordIndex(fields=["title"]), table=name, **FIELD)) for name in ("note", "paper"))
    apply(operations(project(), before), project())
    apply(operations(before, after), before)
    words, syncs = kept(django_url)
    assert len(words) == len(syncs) == 1
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO paper VALUES (1, 'rain', 'wind', NULL)")
        cursor.execute("SELECT count(*) FROM pgvec.embedding_outbox")
        assert cursor.fetchone() == (1,)


def test_rows_are_followed_from_then_on(django_url: str):
    """Rows that are there wait for their embedding, as ``backfill`` says, and so do those whose text changes."""
    from pgvec.integrations.django.kept import declared_syncs

    bare = note()
    apply(operations(project(), project(bare)), project())
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO note VALUES (1, 'rain', 'wind', NULL), (2, 'sun', '', '[1,1,1,1,1,1,1,1]')")
        for backfill, waiting in (("all", 2), ("missing", 1), ("none", 0)):
            sync = EmbeddingSync(fields=["title"], column="embedding", embedder="x", backfill=backfill, name="s")
            found = operations(project(bare), project(note(sync)))
            reached = apply(found, project(bare))
            assert [one.name for one in declared_syncs(reached.apps.get_model("kept", "note"))] == ["s"]
            cursor.execute("SELECT pgvec.sync_backlog('public.note.embedding')")
            assert cursor.fetchone() == (waiting,)
            unapply(found, project(bare))
    with psycopg.connect(django_url) as plain:
        assert plain.execute("SELECT count(*) FROM pgvec.embedding_outbox").fetchone() == (0,)


def test_sqlmigrate_prints_what_runs(django_url: str):
    """The SQL that is collected instead of run does the same when it is run."""
    state = project(note(KeywordIndex(fields=["title"], name="w"), table="it's 100%", **FIELD))
    before = project(note(table="it's 100%"))
    apply(operations(project(), before), project())
    found = operations(before, state)
    with connection.schema_editor(collect_sql=True, atomic=True) as editor:
        migration(found).apply(before.clone(), editor, collect_sql=True)
    with psycopg.connect(django_url) as plain:
        plain.execute("\n".join(editor.collected_sql))
    words, syncs = kept(django_url)
    assert (len(words), len(syncs)) == (1, 1)
    with connection.schema_editor(collect_sql=True, atomic=True) as editor:
        migration(found).unapply(before.clone(), editor, collect_sql=True)
    with psycopg.connect(django_url) as plain:
        plain.execute("\n".join(editor.collected_sql))
    assert kept(django_url) == ([], [])


@pytest.mark.parametrize(
    "make",
    [
        lambda: KeywordIndex(fields=[]),
        lambda: KeywordIndex(fields=["-title"]),
        lambda: KeywordIndex(fields="title"),
        lambda: KeywordIndex(fields=["title"], k1=0),
        lambda: KeywordIndex(fields=["title"], weights=[1, 2]),
        lambda: KeywordIndex(fields=["title"], config="x'; DROP TABLE note"),
        lambda: EmbeddingSync(fields=["title"], column="", embedder="x"),
        lambda: EmbeddingSync(fields=["title"], column="embedding", embedder="\0"),
        lambda: EmbeddingSync(fields=["title"], column="embedding", embedder="x", template="\0"),
        lambda: EmbeddingSync(fields=["title"], column="embedding", embedder="x", priority="high"),
        lambda: EmbeddingSync(fields=["title"], column="embedding", embedder="x", backfill="some"),
    ],
)
def test_what_cannot_be_declared_is_refused(make: Callable[[], Any]):
    """A wrong option is an error where it is written."""
    with pytest.raises(InvalidOptionError):
        make()


def test_nothing_of_them_is_built_concurrently(django_url: str):
    """AddIndexConcurrently says why not, before anything has happened."""
    before = project(note())
    apply(operations(project(), before), project())
    found = AddIndexConcurrently("note", KeywordIndex(fields=["title"], name="w"))
    after = before.clone()
    found.state_forwards("kept", after)
    with connection.schema_editor(atomic=False) as editor, pytest.raises(InvalidOptionError, match="CONCURRENTLY"):
        found.database_forwards("kept", editor, before, after)
