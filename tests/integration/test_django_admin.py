"""The admin searches by meaning, and lists, shows and saves records with embeddings."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytest.importorskip("django")

from django.contrib import admin
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext

from pgvec.integrations.django import DJANGO_VERSION
from pgvec.integrations.django.reading import vector_columns

TEXTS = {
    "The bank raised interest rates": "news",
    "Inflation and money": "news",
    "Storm and rain tonight": "news",
    "The team won the match": "sport",
    "Rain stopped the football match": "sport",
}
LIST = "/admin/library/article/"


@pytest.fixture
def client(library_url: str, library: None) -> Client:
    """A signed-in client, with five articles."""
    from django.contrib.auth.models import User
    from support.library.models import Article
    from support.library.words import counter

    Article.objects.all().delete()
    Article.objects.bulk_create(
        Article(title=title, category=category, embedding=vector)
        for (title, category), vector in zip(TEXTS.items(), counter.embed(list(TEXTS)), strict=True)
    )
    made = Client()
    made.force_login(User.objects.create_superuser("admin"))
    return made


def titles(page: Any) -> list[str]:
    return [article.title for article in page.context["cl"].result_list]


def test_the_search_box_searches_by_meaning(client: Client):
    """Records come in the order of their distance, which stands beside them."""
    page = client.get(LIST, {"q": "interest of a bank"})
    assert set(titles(page)[:2]) == {"The bank raised interest rates", "Inflation and money"}
    assert len(titles(page)) == 5
    shown = [float(text) for text in re.findall(r'class="field-_distance[^>]*>([\d.]+)', page.content.decode())]
    assert len(shown) == 5
    assert shown == sorted(shown)
    assert "sortpriority" not in page.content.decode()


def test_a_search_stays_within_the_filters(client: Client):
    """What the filters at the side leave out is not found."""
    page = client.get(LIST, {"q": "rain", "category__exact": "sport"})
    assert titles(page) == ["Rain stopped the football match", "The team won the match"]


def test_a_clicked_column_decides_the_order(client: Client):
    """The user may sort what was found by another column."""
    assert titles(client.get(LIST, {"q": "rain", "o": "1"})) == sorted(TEXTS)
    assert titles(client.get(LIST, {"q": "rain", "o": "-1"})) == sorted(TEXTS, reverse=True)


def test_counts_beside_the_filters(client: Client):
    """Django's facets count within what was found."""
    content = client.get(LIST, {"q": "rain", "_facets": "True"}).content.decode()
    if DJANGO_VERSION >= (5, 0):
        assert "sport (2)" in content


def test_without_a_search_the_list_is_djangos(client: Client):
    """An empty box lists everything, with embeddings in short and no distances."""
    page = client.get(LIST)
    content = page.content.decode()
    assert "sortpriority" in content or "ascending" in content
    assert titles(page) == sorted(TEXTS, reverse=True) or set(titles(page)) == set(TEXTS)
    assert "(8 dimensions)" in content
    assert "field-_distance" not in content
    assert 'name="q"' in content
    assert titles(client.get(LIST, {"q": "   "})) == titles(page)


def test_a_model_that_declares_nothing_has_the_box(client: Client):
    """Without search_fields there is a search box all the same; without an embedder that fits, it finds nothing and says so."""
    page = client.get("/admin/library/photo/", {"q": "rain"})
    assert page.status_code == 200
    assert 'name="q"' in page.content.decode()
    assert "Not searched by meaning" in page.content.decode()


@override_settings(PGVEC={})
def test_without_an_embedder_the_box_searches_by_words(client: Client):
    """Where no embedder is set, Django's own search goes on, and a message says why."""
    page = client.get(LIST, {"q": "rain"})
    assert set(titles(page)) == {"Storm and rain tonight", "Rain stopped the football match"}
    assert "Not searched by meaning" in page.content.decode()


def test_a_form_shows_an_embedding_in_short(client: Client):
    """The page of a record shows a few numbers instead of a box with all of them."""
    from support.library.models import Article

    article = Article.objects.get(title="Inflation and money")
    content = client.get(f"{LIST}{article.pk}/change/").content.decode()
    assert "(8 dimensions)" in content
    assert 'name="embedding"' not in content
    assert 'name="body"' in content
    assert client.get(f"{LIST}add/").status_code == 200


def test_saving_leaves_the_embedding_alone(client: Client):
    """A record that is changed in the admin keeps its embedding, also one that was written meanwhile."""
    from support.library.models import Article

    article = Article.objects.get(title="Inflation and money")
    before = article.embedding.tolist()
    sent = {"title": "Money", "category": "news", "body": ""}
    answer = client.post(f"{LIST}{article.pk}/change/", sent)
    assert answer.status_code == 302, answer.context["errors"]
    article = Article.objects.get(pk=article.pk)
    assert (article.title, article.embedding.tolist()) == ("Money", before)
    assert client.post(f"{LIST}add/", sent | {"title": "New"}).status_code == 302
    assert Article.objects.get(title="New").embedding is None
    assert client.get(LIST, {"q": "rain"}).status_code == 200


def test_embeddings_are_not_loaded_by_the_search(client: Client):
    """The list of a model fetches embeddings only where it shows them."""
    for model, model_admin in admin.site._registry.items():
        if columns := vector_columns(model):
            deferred = model_admin.get_queryset(RequestFactory().get("/")).query.deferred_loading
            assert deferred == (frozenset(columns), True)
    with CaptureQueriesContext(connection) as captured:
        client.get(LIST)
    assert len([query for query in captured if '"library_article"."embedding"' in query["sql"]]) == 1
