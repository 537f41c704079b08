"""Rows for the tests of the Django door."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from support.library.models import Article, Author, Tag

QUERY = [1, 0, 0, 0, 0, 0, 0, 0.1]


def make_articles(count: int = 200) -> None:
    """Make articles of two authors, the lower the number the nearer to ``QUERY``; the first fifty have two tags."""
    authors = [*Author.objects.bulk_create([Author(name="A", country="DE"), Author(name="B", country="FR")]), None]
    articles = Article.objects.bulk_create(
        Article(
            title=f"Article {n}",
            category=("news", "sport")[n % 2],
            price=Decimal(n) / 4,
            published=datetime(2026, 1, 1 + n % 28, tzinfo=UTC),
            author=authors[n % 3],
            details={"n": n, "odd": bool(n % 2)},
            embedding=[1, n / 100, 0, 0, 0, 0, 0, 0.1],
        )
        for n in range(count)
    )
    tags = Tag.objects.bulk_create([Tag(name="hot"), Tag(name="long")])
    for tag in tags:
        tag.articles.add(*articles[:50])


def number(article: Article) -> int:
    """Return the number that an article was made with."""
    return article.details["n"]
