"""Django's migrations run the scripts that Alembic runs, each once, and leave the same schema."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

pytest.importorskip("django")

from django.apps import apps
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.core.management import call_command
from django.db import connection, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter

from pgvec.errors import ExtensionMissingError, ExtensionTooOldError, SchemaError
from pgvec.execution import migrate
from pgvec.integrations.django import EmbeddingField, HnswIndex, IvfflatIndex, RunPgvecSQL
from pgvec.sql import scripts


def pgvec_migrations() -> list[Any]:
    folder = Path(importlib.import_module("pgvec.integrations.django.migrations").__file__).parent
    names = sorted(path.stem for path in folder.glob("[0-9]*.py"))
    return [importlib.import_module(f"pgvec.integrations.django.migrations.{name}") for name in names]


def test_django_runs_every_script_exactly_once(django_ready):
    """Each migration has the name of one script and runs it alone, after the one before."""
    found = [(module.__name__.rpartition(".")[2], module.Migration) for module in pgvec_migrations()]
    assert [name for name, _ in found] == [script.name for script in scripts()]
    previous: list[tuple[str, str]] = []
    for name, migration in found:
        (operation,) = migration.operations
        assert isinstance(operation, RunPgvecSQL)
        assert (operation.name, migration.dependencies) == (name, previous)
        previous = [("pgvec", name)]


def test_django_and_alembic_make_the_same_schema(django_empty_url: str, databases, dump_schema: Callable[[str], str]):
    """The dump of the schema is the same whether Django's migrations or ``pgvec migrate`` have made it."""
    call_command("migrate", "pgvec", verbosity=0)
    name = databases.create()
    try:
        migrate.up(databases.url_of(name))
        with psycopg.connect(databases.url_of(name), autocommit=True) as made_by_alembic:
            made_by_alembic.execute("DROP TABLE pgvec.alembic_version")  # the history's own, not the schema's
        assert dump_schema(django_empty_url) == dump_schema(databases.url_of(name))
        with psycopg.connect(databases.url_of(name)) as theirs, psycopg.connect(django_empty_url) as ours:
            recorded = "SELECT name, checksum FROM pgvec.migration ORDER BY name"
            assert theirs.execute(recorded).fetchall() == ours.execute(recorded).fetchall()
    finally:
        databases.drop(name)


def test_up_down_up(django_empty_url: str, dump_schema: Callable[[str], str]):
    """Taking every migration back leaves no schema, and running them again gives the same one."""
    call_command("migrate", "pgvec", verbosity=0)
    first = dump_schema(django_empty_url)
    call_command("migrate", "pgvec", "zero", verbosity=0)
    with psycopg.connect(django_empty_url) as plain:
        assert plain.execute("SELECT to_regnamespace('pgvec')").fetchone() == (None,)
    call_command("migrate", "pgvec", verbosity=0)
    assert dump_schema(django_empty_url) == first


def test_the_sql_that_django_prints_is_the_schema(django_empty_url: str, databases, dump_schema: Callable[[str], str]):
    """``sqlmigrate`` writes the scripts as they stand, and running them elsewhere gives the same schema; backwards it goes."""
    texts = []
    for script in scripts():
        output = io.StringIO()
        call_command("sqlmigrate", "pgvec", script.name, stdout=output)
        texts.append(output.getvalue())
        assert script.up.strip().rstrip(";") in output.getvalue()
    name = databases.create()
    try:
        with psycopg.connect(databases.url_of(name), autocommit=True) as other:
            for text in texts:
                other.execute(text)
        call_command("migrate", "pgvec", verbosity=0)
        assert dump_schema(databases.url_of(name)) == dump_schema(django_empty_url)
    finally:
        databases.drop(name)
    output = io.StringIO()
    call_command("sqlmigrate", "pgvec", scripts()[0].name, backwards=True, stdout=output)
    assert "DROP TABLE pgvec.migration" in output.getvalue()


def test_histories_share_the_record(django_empty_url: str):
    """What ``pgvec migrate`` has run, Django leaves alone, and the other way round."""
    migrate.up(django_empty_url, to="0001_schema")
    call_command("migrate", "pgvec", verbosity=0)
    assert migrate.status(django_empty_url).is_current
    assert migrate.up(django_empty_url) == ()
    migrate.down(django_empty_url, to="base")
    call_command("migrate", "pgvec", "zero", verbosity=0)
    assert migrate.status(django_empty_url).current is None


def test_a_script_with_another_content_is_refused(django_empty_url: str):
    """A database that was migrated by other scripts is left alone."""
    migrate.up(django_empty_url)
    with psycopg.connect(django_empty_url, autocommit=True) as plain:
        plain.execute("UPDATE pgvec.migration SET checksum = repeat('0', 64) WHERE name = '0002_extension'")
    with pytest.raises(SchemaError, match="0002_extension"):
        call_command("migrate", "pgvec", verbosity=0)


def test_an_old_extension_is_named(django_ready, old_extension_url: str):
    """The error of the script says which version there is."""
    import fix_django

    with fix_django._connected(old_extension_url):
        with psycopg.connect(old_extension_url, autocommit=True) as plain:
            plain.execute("CREATE EXTENSION IF NOT EXISTS vector")
        with pytest.raises(ExtensionTooOldError) as told:
            call_command("migrate", "pgvec", verbosity=0)
        assert told.value.installed == "0.6.2"
    assert issubclass(ExtensionMissingError, SchemaError)


def library_state() -> ProjectState:
    """Return the models of the library as migrations see them."""
    state = ProjectState()
    for model in apps.get_models():
        state.add_model(ModelState.from_model(model))
    return state


def changes(before: ProjectState, after: ProjectState) -> list[Any]:
    graph = MigrationLoader(None, ignore_no_migrations=True).graph
    return [
        operation
        for migrations in MigrationAutodetector(before, after)._detect_changes(graph=graph).values()
        for migration in migrations
        for operation in migration.operations
    ]


def written(operations: list[Any]) -> list[Any]:
    """Return operations as they come out of the file that makemigrations writes."""
    migration = type("Migration", (_migration_base(),), {"operations": operations, "dependencies": []})(
        "0001", "library"
    )
    names: dict[str, Any] = {}
    exec(compile(MigrationWriter(migration).as_string(), "migration", "exec"), names)
    return names["Migration"].operations


def _migration_base() -> type:
    from django.db.migrations import Migration

    return Migration


def test_makemigrations_is_stable(django_ready):
    """Models that went through a migration's file differ in nothing from themselves."""
    empty, full = ProjectState(), library_state()
    for label in ("admin", "auth", "contenttypes", "sessions"):
        for model in apps.get_app_config(label).get_models():
            empty.add_model(ModelState.from_model(model))
    operations = written(changes(empty, full))
    assert operations
    for operation in operations:
        operation.state_forwards("library", empty)
    assert changes(empty, library_state()) == []


def test_makemigrations_check_is_clean(django_url: str):
    """Pgvec's own app has nothing to migrate."""
    call_command("makemigrations", "pgvec", check=True, dry_run=True, verbosity=0)


def test_another_distance_builds_the_index_anew(django_ready):
    """When the distance of a field changes, the migration drops the index and adds one of the other operator class."""
    before = ProjectState()
    after = ProjectState()
    for state, distance in ((before, "cosine"), (after, "l2")):
        fields = [("id", models.BigAutoField(primary_key=True)), ("embedding", EmbeddingField(3, distance=distance))]
        index = _complete_index(distance)
        state.add_model(ModelState("library", "Note", fields, options={"indexes": [index]}))
    operations = [type(operation).__name__ for operation in changes(before, after)]
    assert operations == ["RemoveIndex", "AlterField", "AddIndex"]


def test_what_the_table_does_not_know_changes_no_table(django_url: str):
    """Another distance or source is a migration without SQL; another type is one with it."""
    from support.library.models import Museum

    old = Museum._meta.get_field("embedding")
    same, other = EmbeddingField(3, distance="cosine", source="name"), EmbeddingField(3, type="halfvec", distance="l2")
    for new in (same, other):
        new.set_attributes_from_name("embedding")
        new.model = Museum
        with connection.schema_editor(collect_sql=True) as editor:
            editor.alter_field(Museum, old, new)
        assert bool(editor.collected_sql) is (new is other)


def _complete_index(distance: str) -> Any:
    class Note(models.Model):
        embedding = EmbeddingField(3, distance=distance)

        class Meta:
            app_label = f"made_for_{distance}"
            indexes = (HnswIndex(fields=["embedding"], name="note_embedding"),)

    (index,) = Note._meta.indexes
    return index


def test_indexes_are_what_they_declare(django_url: str):
    """Each index has the operator class of its field, its options, and the expression that searches use."""
    with psycopg.connect(django_url) as plain:
        found = dict(
            plain.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'library_shape'").fetchall()
        )
    definitions = "\n".join(found.values())
    assert "USING hnsw (half halfvec_ip_ops)" in definitions
    assert "USING hnsw (sparse sparsevec_l2_ops)" in definitions
    assert "USING ivfflat (bits bit_hamming_ops) WITH (lists='1')" in definitions
    assert "USING hnsw (((\"full\")::halfvec(16)) halfvec_cosine_ops) WITH (m='8', ef_construction='32')" in definitions
    assert '((binary_quantize("full"))::bit(16)) bit_hamming_ops' in found["shape_full_bits"]
    assert '((subvector("full", 1, 8))::vector(8)) vector_cosine_ops) WHERE (id > 0)' in found["shape_full_8"]


@pytest.mark.parametrize("kind", [HnswIndex, IvfflatIndex])
@pytest.mark.parametrize("options", [{}, {"quantization": "halfvec"}])
def test_indexes_are_built_concurrently_by_django(django_url: str, kind: Any, options: dict[str, str]):
    """Django's own AddIndexConcurrently and RemoveIndexConcurrently work with these indexes."""
    state = library_state()
    index = kind(fields=["embedding"], name="made_online", **options)
    forwards = AddIndexConcurrently("article", index)
    after = state.clone()
    forwards.state_forwards("library", after)
    with connection.schema_editor(atomic=False) as editor:
        forwards.database_forwards("library", editor, state, after)
    with psycopg.connect(django_url) as plain:
        found = plain.execute(
            "SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid = 'made_online'::regclass"
        ).fetchone()
        assert found is not None
        assert found[0]
        assert f"{options.get('quantization', 'vector')}_cosine_ops" in found[1]
    backwards = RemoveIndexConcurrently("article", "made_online")
    gone = after.clone()
    backwards.state_forwards("library", gone)
    with connection.schema_editor(atomic=False) as editor:
        backwards.database_forwards("library", editor, after, gone)
    with psycopg.connect(django_url) as plain:
        assert plain.execute("SELECT to_regclass('made_online')").fetchone() == (None,)
