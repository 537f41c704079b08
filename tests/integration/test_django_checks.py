"""The system checks find what is wrong with embeddings, each under its id."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django")

import pgvector.django
from django.apps import apps
from django.contrib.postgres.indexes import OpClass
from django.core import checks
from django.db import models
from django.db.models.functions import Cast
from django.test import override_settings
from pgvector.django import HalfVectorField, VectorField

from pgvec.integrations.django import EmbeddingField, EmbeddingSync, HnswIndex, IvfflatIndex
from pgvec.integrations.django import checks as pgvec_checks

pytestmark = pytest.mark.usefixtures("django_ready")


class Config:
    """Stands for an app that has one model."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def get_models(self) -> list[Any]:
        return [self.model]


_made = 0


def model_with(*indexes: Any, **fields: Any) -> Any:
    """Make a model that no app knows."""
    global _made  # noqa: PLW0603 - Django warns about two models of one name
    _made += 1
    meta = type("Meta", (), {"app_label": "made_for_checks", "indexes": indexes})
    return type(f"Made{_made}", (models.Model,), {"__module__": __name__, "Meta": meta, **fields})


def ids(found: list[Any]) -> list[str]:
    return [message.id for message in found]


def index_messages(*indexes: Any, **fields: Any) -> list[Any]:
    return pgvec_checks.check_indexes([Config(model_with(*indexes, **fields))])


def test_the_library_has_no_fault():
    """Right declarations give no message, except that the library has no migrations to depend on anything."""
    assert checks.run_checks(tags=["pgvec"]) == []
    assert checks.run_checks(app_configs=[apps.get_app_config("library")]) == []


@pytest.mark.parametrize(
    ("field", "id_"),
    [
        (EmbeddingField(), "pgvec.E001"),
        (EmbeddingField(0), "pgvec.E001"),
        (EmbeddingField(99_999), "pgvec.E001"),
        (EmbeddingField(3, type="float"), "pgvec.E001"),
        (EmbeddingField(3, distance="manhattan"), "pgvec.E002"),
        (EmbeddingField(3, distance="hamming"), "pgvec.E002"),
        (EmbeddingField(3, source=("nothing",)), "pgvec.E003"),
        (EmbeddingField(3, source="id"), None),
        (EmbeddingField(3, type="bit", distance="jaccard"), None),
    ],
)
def test_fields(field: Any, id_: str | None):
    """A field that pgvector cannot have, or whose source does not exist, is an error and no exception."""
    model = model_with(HnswIndex(fields=["embedding"]), embedding=field)
    assert ids(model.check()) == ([id_] if id_ else [])
    if id_ in ("pgvec.E001", "pgvec.E002"):
        assert pgvec_checks.check_indexes([Config(model)]) == []


@pytest.mark.parametrize(
    ("index", "field"),
    [
        (HnswIndex(fields=["embedding"]), EmbeddingField(3000)),
        (IvfflatIndex(fields=["embedding"]), EmbeddingField(3, distance="l1")),
        (IvfflatIndex(fields=["embedding"]), EmbeddingField(3, type="sparsevec")),
        (HnswIndex(fields=["embedding"], quantization="bits"), EmbeddingField(3)),
        (HnswIndex(fields=["embedding"], quantization="halfvec"), EmbeddingField(3, type="bit")),
        (HnswIndex(fields=["embedding"], dimensions=5), EmbeddingField(3)),
        (HnswIndex(fields=["embedding"]), VectorField(dimensions=3)),
        (pgvector.django.HnswIndex(name="x", fields=["embedding"]), VectorField(dimensions=3)),
        (HnswIndex(fields=["embedding"], opclasses=["vector_l2_ops"], name="x"), VectorField()),
    ],
)
def test_indexes_that_cannot_be_built(index: Any, field: Any):
    """What pgvector cannot index is an error that names the way out."""
    assert ids(index_messages(index, embedding=field)) == ["pgvec.E004"]


def test_an_index_of_another_distance():
    """An index whose operator class serves another distance than the field is searched by is a warning."""
    wrong = pgvector.django.HnswIndex(name="x", fields=["embedding"], opclasses=["vector_l2_ops"])
    (message,) = index_messages(wrong, embedding=EmbeddingField(3, distance="cosine"))
    assert (message.id, message.level) == ("pgvec.W001", checks.WARNING)
    assert index_messages(wrong, embedding=VectorField(dimensions=3)) == []
    right = pgvector.django.IvfflatIndex(name="x", fields=["embedding"])  # vector_l2_ops is its default
    assert index_messages(right, embedding=EmbeddingField(3, distance="l2")) == []
    bits = HnswIndex(fields=["embedding"], quantization="bit")
    assert index_messages(bits, models.Index(fields=["embedding"], name="y"), embedding=EmbeddingField(8)) == []


def test_expression_indexes_are_understood():
    """The halfvec index as pgvector-python documents it is read with its distance."""
    expression = OpClass(Cast("embedding", HalfVectorField(dimensions=3)), name="halfvec_ip_ops")
    index = pgvector.django.HnswIndex(expression, name="x")
    assert index_messages(index, embedding=EmbeddingField(3, distance="inner_product")) == []
    assert ids(index_messages(index, embedding=EmbeddingField(3, distance="l2"))) == ["pgvec.W001"]
    other = pgvector.django.HnswIndex(
        OpClass(Cast("other", HalfVectorField(dimensions=3)), name="halfvec_ip_ops"), name="x"
    )
    assert index_messages(other, embedding=EmbeddingField(3, distance="l2"), other=VectorField(dimensions=3)) == []


@pytest.mark.parametrize("setting", [["x"], {"EMBEDDER": 5}, {"EMBEDER": "typo"}])
def test_settings(setting: Any):
    """A setting of the wrong form, or an unknown key, is an error."""
    with override_settings(PGVEC=setting):
        assert ids(checks.run_checks(tags=["pgvec"])) == ["pgvec.E005"]


def test_databases(django_empty_url: str):
    """``check --database`` says where the extension is missing, and asks no database that holds no embeddings."""
    found = checks.run_checks(tags=["pgvec"], databases=["default"])
    assert ids(found) == ["pgvec.W004"]
    assert "migrate pgvec" in found[0].hint


def test_other_databases(django_url: str):
    """A database of another kind that may be asked to hold embeddings is a warning; one with the extension is none."""
    from django.db import connections

    connections.databases["file"] = {
        **connections.databases["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
    }
    try:
        found = checks.run_checks(tags=["pgvec"], databases=["default", "file"])
        assert ids(found) == ["pgvec.W003"]
        with override_settings(DATABASE_ROUTERS=[_NoFile()]):
            assert checks.run_checks(tags=["pgvec"], databases=["file"]) == []
    finally:
        connections["file"].close()
        del connections.databases["file"]


class _NoFile:
    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        return False if db == "file" else None


@pytest.mark.parametrize(
    ("dependencies", "operation", "missing"),
    [
        ([], "", "the extension"),
        ([("pgvec", "0002_extension")], "", "keyword indexes and embedding syncs"),
        ([], "pgvector.django.VectorExtension()", "keyword indexes and embedding syncs"),
        ([("pgvec", "0004_pre_keyword")], "", "keyword indexes and embedding syncs"),
        ([("pgvec", "0005_pre_embedding_sync")], "", None),
        ([], "RunPgvecSQL('0002_extension'), RunPgvecSQL('0004_pre_keyword')", "keyword indexes and embedding syncs"),
    ],
)
def test_migrations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dependencies: Any, operation: str, missing: str | None
):
    """An app whose migrations neither follow pgvec's nor install what they need is warned of an order by chance."""
    package = tmp_path / f"made_{secrets.token_hex(4)}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "0001_first.py").write_text(
        "import pgvector.django\n"
        "from django.db import migrations\n"
        "from pgvec.integrations.django import RunPgvecSQL\n"
        "class Migration(migrations.Migration):\n"
        f"    dependencies = {dependencies}\n"
        f"    operations = [{operation}]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with override_settings(MIGRATION_MODULES={"library": package.name}):
        found = pgvec_checks.check_migrations()
    assert ids(found) == ([] if missing is None else ["pgvec.W002"])
    assert missing is None or missing in found[0].msg


def synced(**options: Any) -> Any:
    """Make a model whose embedding is declared to follow its title."""
    sync = EmbeddingSync(fields=["title"], embedder="minilm", name="title_sync", **({"column": "embedding"} | options))
    return model_with(sync, title=models.TextField(), embedding=EmbeddingField(3), bits=EmbeddingField(8, type="bit"))


def test_a_sync_fills_a_column_that_takes_embeddings():
    """A sync of what is no field, of bits, or beside another of the same column is an error."""
    assert pgvec_checks.check_indexes([Config(synced())]) == []
    for options, told in (({"column": "title"}, "no embedding field"), ({"column": "bits"}, "of the type bit")):
        (found,) = pgvec_checks.check_indexes([Config(synced(**options))])
        assert (found.id, told in found.msg) == ("pgvec.E006", True)
    twice = synced()
    twice._meta.indexes = [*twice._meta.indexes, *twice._meta.indexes]
    assert ids(pgvec_checks.check_indexes([Config(twice)])) == ["pgvec.E006"] * 2


@pytest.mark.parametrize("embedder", ["minilm", ""])
def test_an_embedder_needs_something_to_embed(embedder: str):
    """A field that names an embedder and no source, or an empty name, is an error."""
    field = EmbeddingField(3, embedder=embedder, source=() if embedder else ("title",))
    made = model_with(title=models.TextField(), embedding=field)
    assert ids(made._meta.get_field("embedding").check()) == ["pgvec.E006"]
