"""Embeddings follow their text, whoever writes it."""

from __future__ import annotations

import io
from datetime import date

from django.core.management import call_command
from django.db import connection, transaction
from django.test import TransactionTestCase, override_settings

from articles.models import Article, Author


def embedded() -> str:
    said = io.StringIO()
    call_command("embed_articles", stdout=said)
    return said.getvalue()


@override_settings(PGVEC={"EMBEDDER": "articles.embedding.word_embedder"})
class SyncTests(TransactionTestCase):
    """A worker has a connection of its own, so what it embeds has to be committed."""

    def test_an_embedding_follows_its_text(self) -> None:
        author = Author.objects.create(name="Ada Brandt", country="DE")
        common = {"author": author, "category": "weather", "published": date(2026, 1, 1)}
        Article.objects.bulk_create(
            [Article(title="Rain", body="It rained.", **common), Article(title="Bank", body="Rates rose.", **common)]
        )
        self.assertEqual(len(Article.objects.search("rain")), 0)
        self.assertIn("2 texts", embedded())
        self.assertEqual(Article.objects.search("rain")[0].title, "Rain")

        Article.objects.update(category="economy")
        self.assertIn("0 texts", embedded())  # no text changed
        with connection.cursor() as cursor:  # nobody who writes has to know of pgvec
            cursor.execute("UPDATE articles_article SET body = 'Fog, snow and hail.' WHERE title = 'Rain'")
        with transaction.atomic():
            Article.objects.update(title="Nothing")
            transaction.set_rollback(True)
        self.assertIn("1 texts", embedded())
        self.assertEqual(Article.objects.search("snow hail")[0].title, "Rain")
        Article.objects.all().delete()
        self.assertIn("0 texts", embedded())
