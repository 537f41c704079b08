"""Searching articles, through the manager, the pages and the admin."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db.models import Count
from django.test import TestCase, override_settings
from django.urls import reverse

from articles import samples
from articles.models import Article

WORDS = override_settings(PGVEC={"EMBEDDER": "articles.embedding.word_embedder"})


def titles(found: object) -> list[str]:
    return [article.title for article in found]


@WORDS
class SearchTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        with WORDS:
            samples.load()

    def test_a_question_finds_the_nearest(self) -> None:
        with self.assertNumQueries(1):
            found = titles(Article.objects.search("does the bank lower interest rates")[:2])
        self.assertEqual(set(found), {"Central bank raises interest rates", "Prices rise more slowly"})

    def test_joins_narrow_a_search(self) -> None:
        german = Article.objects.filter(author__country="DE").search("rain")
        self.assertEqual(len(german), 4)
        self.assertTrue(german.receipt.complete)
        wet = Article.objects.filter(tags__name="water", category="sport").search("rain")
        self.assertEqual(titles(wet), ["Rain stops the match"])
        busy = Article.objects.alias(n=Count("author__articles")).filter(n__gte=4, category="health").search("doctor")
        self.assertEqual(titles(busy), ["A vaccine for malaria"])

    def test_similar_articles(self) -> None:
        storm = Article.objects.get(category="sport", title__startswith="Rain")
        self.assertNotIn(storm, Article.objects.similar(storm))
        self.assertEqual(titles(Article.objects.similar(storm)[:1]), ["Home team wins the final"])

    def test_distances_compose_with_querysets(self) -> None:
        near = Article.objects.annotate_distance("rain").order_by("distance").values_list("title", flat=True)
        self.assertIn(near[0], {"A dry spring", "Storm closes the harbour", "Rain stops the match"})

    async def test_asynchronously(self) -> None:
        found = [article.title async for article in Article.objects.filter(category="health").search("doctors")]
        self.assertEqual(found, ["A vaccine for malaria"])

    def test_the_page(self) -> None:
        page = self.client.get(reverse("search"), {"q": "football match", "category": "sport"})
        self.assertContains(page, "Rain stops the match")
        self.assertContains(page, "complete")
        self.assertNotContains(page, "bank")
        self.assertNotContains(self.client.get(reverse("search")), "found")
        self.assertContains(self.client.get(reverse("search"), {"q": "rain", "country": "XX"}), "Nothing matches")

    def test_the_page_of_an_article(self) -> None:
        storm = Article.objects.get(title="Storm closes the harbour")
        self.assertContains(self.client.get(reverse("article", args=[storm.pk])), "Rain stops the match")

    def test_the_admin(self) -> None:
        self.client.force_login(User.objects.create_superuser("editor"))
        found = self.client.get(reverse("admin:articles_article_changelist"), {"q": "interest rates of the bank"})
        self.assertEqual(titles(found.context["cl"].result_list)[0], "Central bank raises interest rates")
        german = {"q": "rain", "author__country": "FR", "category": "weather"}
        found = self.client.get(reverse("admin:articles_article_changelist"), german)
        self.assertEqual(titles(found.context["cl"].result_list), ["A dry spring"])
        storm = Article.objects.get(title="Storm closes the harbour")
        page = self.client.get(reverse("admin:articles_article_change", args=[storm.pk]))
        self.assertContains(page, "(384 dimensions)")


class ProjectTests(TestCase):
    def test_the_migrations_are_complete(self) -> None:
        call_command("makemigrations", check=True, dry_run=True, verbosity=0)

    def test_the_checks_are_silent(self) -> None:
        call_command("check", databases=["default"], fail_level="WARNING", verbosity=0)
