"""Django models of every kind: fields, inheritance, types, names in need of quotes."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import psycopg
import pytest

pytest.importorskip("django")

from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.forms import modelform_factory

from pgvec.errors import (
    AmbiguousColumnError,
    ConfigurationError,
    InvalidInputError,
    MappingError,
    NotAnEmbeddingColumnError,
)
from pgvec.integrations.django import DJANGO_VERSION, EmbeddingField, EmbeddingManager, HnswIndex
from pgvec.integrations.django.reading import read_model
from pgvec.model import Distance, VectorType


@pytest.fixture
def made(library: None) -> Any:
    """The module of the models, on a database with two hundred articles."""
    from support.library import models as library_models

    return library_models


def test_a_text_is_embedded_by_the_projects_embedder(made):
    """A text query goes through the embedder that the settings name, or the one that is given."""
    made.Article.objects.bulk_create(
        made.Article(title=title, category="real", embedding=made_embedding(title))
        for title in ("rain and wind", "interest rates of the bank", "the match of the team")
    )
    found = made.Article.objects.filter(category="real").search("inflation and money")
    assert found[0].title == "interest rates of the bank"
    other = _Constant()
    assert made.Article.objects.search("anything", embedder=other).first().title == "the match of the team"


def made_embedding(text: str) -> Any:
    from support.library.words import counter

    return counter.embed([text])[0]


class _Constant:
    name, revision, dimensions, kinds = "constant", "1", 8, frozenset({"text"})

    def embed(self, inputs: Any, *, role: Any = None) -> Any:
        return np.asarray([[0.1, 0, 0, 2, 0, 0, 0, 0]], dtype=np.float32)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (None, "names no embedder"),
        ({}, "names no embedder"),
        ({"EMBEDDER": "no.such.thing"}, "cannot be imported"),
        ({"EMBEDDER": "pgvec.model.Distance"}, "without arguments"),
        ({"EMBEDDER": "os.getcwd"}, "a str and no embedder"),
        ({"EMBEDDER": 5}, "dotted path"),
        (["x"], "has to be a dict"),
    ],
)
def test_a_text_without_an_embedder_says_so(made, settings_of_pgvec, setting: Any, message: str):
    """A text query names what is wrong with the setting, when it is asked."""
    settings_of_pgvec(setting)
    with pytest.raises(ConfigurationError, match=message):
        made.Article.objects.search("rain").get_matches()


@pytest.fixture
def settings_of_pgvec() -> Any:
    """A function that sets PGVEC until the test ends."""
    from django.test import override_settings

    active = []

    def change(value: Any) -> None:
        override = override_settings(PGVEC=value)
        override.enable()
        active.append(override)

    yield change
    for override in active:
        override.disable()


def test_a_dotted_path_may_lead_to_a_function(made, settings_of_pgvec):
    """A function, or a class, makes the embedder once."""
    from pgvec.integrations.django import conf

    settings_of_pgvec({"EMBEDDER": "support.library.words.make_counter"})
    assert conf.embedder() is conf.embedder()
    settings_of_pgvec({"EMBEDDER": "support.library.words.WordCounter"})
    assert conf.embedder().dimensions == 8


def test_proxy_models_search_what_their_manager_shows(made):
    """A proxy searches the table of its parent, within its manager's rows, and gives records of its own class."""
    found = made.News.objects.search([1, 0, 0, 0, 0, 0, 0, 0.1])[:3]
    assert {type(record) for record in found} == {made.News}
    assert [record.details["n"] for record in found] == [0, 2, 4]


def test_a_child_searches_the_embedding_of_its_parent(made):
    """Where the parent's table has the embedding, only children are found, whole, in one statement."""
    from django.test.utils import CaptureQueriesContext

    for n in (40, 3, 7):
        made.Report.objects.create(title=f"r{n}", pages=n, category="x", embedding=[1, n, 0, 0, 0, 0, 0, 0.1])
    with CaptureQueriesContext(connection) as captured:
        found = list(made.Report.objects.filter(pages__lt=30).search([1, 0, 0, 0, 0, 0, 0, 0.1]))
        assert [(record.title, record.pages) for record in found] == [("r3", 3), ("r7", 7)]
    assert len(captured) == 1
    assert type(found[0]) is made.Report
    assert list(made.Report.objects.similar(found[0])[:1]) == [found[1]]


def test_a_child_searches_its_own_embedding(made):
    """Where the child's table has the embedding, the fields of the parent come along, and may be filtered by."""
    from django.test.utils import CaptureQueriesContext

    for n in range(5):
        made.Museum.objects.create(name=f"m{n}", embedding=[n, 0, 0])
    with CaptureQueriesContext(connection) as captured:
        found = made.Museum.objects.exclude(name="m1").search([0, 0, 0])
        assert [(record.name, record.distance) for record in found[:2]] == [("m0", 0.0), ("m2", 2.0)]
    assert len(captured) == 1


def test_pgvectors_own_field_works(made):
    """A VectorField takes its distance from its only index; names that need quotes get them."""
    for n in range(20):
        made.Photo.objects.create(id=uuid.UUID(int=n), name=f"p{n}", vector=[n, 0, 0])
    found = made.Photo.objects.filter(name__in=["p3", "p5", "p8"]).search([4.4, 0, 0])
    assert [record.name for record in found] == ["p5", "p3", "p8"]
    assert found[0].pk == uuid.UUID(int=5)
    assert found.get_matches()[0].distance == pytest.approx(0.6)
    assert list(made.Photo.objects.search([0, 0, 1], include_embedding=True)[0].vector) == [0, 0, 0]
    assert [record.name for record in made.Photo.objects.similar(uuid.UUID(int=7))[:2]] != ["p7"]
    assert made.Photo.objects.annotate_distance([1, 0, 0]).order_by("distance")[0].name == "p1"


VALUES = {
    "half": ([1, 2, 3, 4], [4, 3, 2, 1]),
    "sparse": ({0: 1.0, 9: 2.0}, {1: 5.0}),
    "bits": ("10101010", "11111111"),
    "full": ([1.0] * 16, [1.0, -1.0] * 8),
}


@pytest.mark.parametrize("name", VALUES)
def test_every_type_round_trips_and_searches(made, name: str):
    """Values of each type are stored, read, searched by, compared, and serialized."""
    near, far = VALUES[name]
    first, second = (made.Shape.objects.create(**{name: value}) for value in (near, far))
    assert list(made.Shape.objects.search(near, column=name)) == [first, second]
    assert list(made.Shape.objects.search(far, column=name)[:1]) == [second]
    assert list(made.Shape.objects.similar(first, column=name)) == [second]
    annotated = made.Shape.objects.annotate_distance(near, column=name).order_by("distance")
    assert list(annotated.filter(**{f"{name}__isnull": False}))[:1] == [first]
    stored = made.Shape.objects.get(pk=first.pk)
    text = serializers.serialize("json", [stored])
    (restored,) = serializers.deserialize("json", text)
    field = made.Shape._meta.get_field(name)
    assert field.to_text(getattr(restored.object, name)) == field.to_text(getattr(stored, name)) == field.to_text(near)
    restored.save()


def test_several_embeddings_have_to_be_told_apart(made):
    """Without column=, a model with several embeddings is not guessed at."""
    with pytest.raises(AmbiguousColumnError, match="half, sparse, bits, full"):
        made.Shape.objects.search([1])
    with pytest.raises(NotAnEmbeddingColumnError, match="'wrong'"):
        made.Shape.objects.search([1], column="wrong")


def test_bulk_writes_and_updates(made):
    """bulk_create, bulk_update and update write arrays, and a wrong vector is refused before it is sent."""
    records = made.Article.objects.bulk_create(
        made.Article(title=str(n), category="bulk", embedding=np.full(8, n + 1, dtype=np.float32)) for n in range(3)
    )
    for record in records:
        record.embedding = np.arange(1, 9)
    made.Article.objects.bulk_update(records, ["embedding"])
    assert made.Article.objects.filter(category="bulk", embedding=list(range(1, 9))).count() == 3
    made.Article.objects.filter(category="bulk").update(embedding=[1] * 8)
    assert made.Article.objects.filter(category="bulk", embedding="[1,1,1,1,1,1,1,1]").count() == 3
    made.Article.objects.filter(category="bulk").update(embedding=models.F("embedding"))
    for wrong in ([1, 2], [float("nan")] * 8, [0] * 8, "nonsense", "[1,2"):
        with pytest.raises(InvalidInputError):
            made.Article(title="x", embedding=wrong).save()


def test_validation_takes_arrays(made):
    """full_clean accepts an array, and names what is wrong with another value."""
    article = made.Article(title="x", category="news", embedding=np.ones(8))
    article.full_clean()
    article.embedding = "[1,2,3]"
    with pytest.raises(ValidationError, match="8"):
        article.full_clean()
    made.Museum(name="m", embedding=np.zeros(3)).full_clean()
    with pytest.raises(ValidationError):
        made.Museum(name="m").full_clean()


def test_forms_show_and_read_vectors(made):
    """A ModelForm shows a vector as text, notices changes only where there are some, and reports what is no vector."""
    form_class = modelform_factory(made.Museum, fields=["name", "embedding"])
    museum = made.Museum.objects.create(name="m", embedding=[1, 2.5, 3])
    museum.refresh_from_db()
    shown = form_class(instance=museum)
    assert "[1,2.5,3]" in str(shown["embedding"])
    same = form_class({"name": "m", "embedding": "[1, 2.5, 3.0]"}, instance=museum)
    assert same.is_valid()
    assert same.changed_data == []
    changed = form_class({"name": "n", "embedding": "[1,2,3]"}, instance=museum)
    assert changed.is_valid()
    assert changed.changed_data == ["name", "embedding"]
    assert changed.save().embedding.tolist() == [1, 2, 3]
    for wrong in ("", "[1]", "words", "[NaN,1,2]"):
        assert "embedding" in form_class({"name": "m", "embedding": wrong}, instance=museum).errors
    optional = modelform_factory(made.Article, fields=["embedding"])({"embedding": ""})
    assert optional.is_valid()
    assert optional.cleaned_data == {"embedding": None}


def test_a_model_is_read_once(made):
    """Reading the same model again gives the same target, so that prepared statements are found again."""
    target = read_model(made.Article)
    assert target is read_model(made.Article)
    assert (target.name, target.key, target.distance) == ("Article", ("id",), Distance.COSINE)
    assert target.column.source == ("title", "body")
    full = read_model(made.Shape, column="full").column
    assert [(index.quantization, index.dimensions, index.partial) for index in full.indexes] == [
        (VectorType.HALFVEC, None, False),
        (VectorType.BIT, None, False),
        (None, 8, True),
    ]


def test_a_table_in_another_schema(made, library_url: str):
    """The quotes by which Django projects name a schema are understood."""
    with connection.cursor() as cursor:
        cursor.execute(
            'CREATE SCHEMA shelf; CREATE TABLE shelf."Book One" (id int PRIMARY KEY, embedding public.vector(2))'
        )
        cursor.execute("""INSERT INTO shelf."Book One" VALUES (1, '[1,1]'), (2, '[1,2]')""")

    class Book(models.Model):
        id = models.IntegerField(primary_key=True)
        embedding = EmbeddingField(2)
        objects = EmbeddingManager()

        class Meta:
            app_label = "shelf"
            db_table = 'shelf"."Book One'
            managed = False

    assert [book.pk for book in Book.objects.filter(id__lt=5).search([1, 2])] == [2, 1]


def test_an_abstract_model_hands_its_index_down(made):
    """Each child of an abstract model has an index of its own, with the operator class of the field."""

    class Base(models.Model):
        embedding = EmbeddingField(4, distance="l2")

        class Meta:
            app_label = "abstract"
            abstract = True
            indexes = (HnswIndex(fields=["embedding"]),)

    first, second = (
        type(name, (Base,), {"__module__": __name__, "Meta": type("Meta", (Base.Meta,), {"app_label": "abstract"})})
        for name in ("First", "Second")
    )
    (index,), (other,) = first._meta.indexes, second._meta.indexes
    assert index.opclasses == other.opclasses == ["vector_l2_ops"]
    assert index.name != other.name
    with pytest.raises(MappingError, match="concrete"):
        read_model(Base)


@pytest.mark.skipif(DJANGO_VERSION < (5, 2), reason="Django has composite primary keys from 5.2 on")
def test_keys_of_several_columns(made):
    """A composite primary key tells the rows apart, in joins and for similar records too."""

    class Note(models.Model):
        pk = models.CompositePrimaryKey("shelf", "number")
        shelf = models.IntegerField()
        number = models.IntegerField()
        author = models.ForeignKey(made.Author, on_delete=models.CASCADE)
        embedding = EmbeddingField(2, distance="l2")
        objects = EmbeddingManager()

        class Meta:
            app_label = "composite"

    with connection.schema_editor() as editor:
        editor.create_model(Note)
    author = made.Author.objects.first()
    Note.objects.bulk_create(Note(shelf=n % 2, number=n, author=author, embedding=[n, 0]) for n in range(6))
    found = Note.objects.filter(author__country=author.country, shelf=1).search([3.2, 0])
    assert [note.pk for note in found] == [(1, 3), (1, 5), (1, 1)]
    assert [note.pk for note in Note.objects.similar(found[0])[:2]] == [(0, 2), (0, 4)]
    assert [note.number for note in Note.objects.similar((1, 5))[:1]] == [4]


def test_the_extension_may_live_anywhere(django_template, django_url: str, databases):
    """Searches and annotations name the schema of the extension, whatever the search path is."""
    from support.library.models import Museum

    with psycopg.connect(django_url, autocommit=True) as admin:
        admin.execute('CREATE SCHEMA "The Extension"; ALTER EXTENSION vector SET SCHEMA "The Extension"')
    for n in range(3):
        with connection.cursor() as cursor:
            cursor.execute('SET search_path = public, "The Extension"')
        Museum.objects.create(name=f"m{n}", embedding=[n, 0, 0])
    with connection.cursor() as cursor:
        cursor.execute("SET search_path = public")
    assert [museum.name for museum in Museum.objects.search([2, 0, 0])] == ["m2", "m1", "m0"]
    assert Museum.objects.annotate_distance([2, 0, 0]).order_by("distance")[0].name == "m2"


def test_only_postgresql_is_searched(made):
    """A model that is routed to another kind of database says so."""
    from django.db import connections

    connections.databases["file"] = {
        **connections.databases["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
    }
    try:
        with pytest.raises(ConfigurationError, match="'file' is sqlite"):
            list(made.Article.objects.using("file").search([1] * 8))
    finally:
        del connections.databases["file"]
