"""A few articles to begin with."""

from __future__ import annotations

from datetime import date, timedelta

from articles.models import Article, Author, Tag
from pgvec.integrations.django.conf import embedder

_ARTICLES = [
    (
        "Central bank raises interest rates",
        "Inflation is too high, says the bank, and lending becomes dearer.",
        "economy",
    ),
    ("Prices rise more slowly", "Inflation fell for the third month, and the bank may lower its rates.", "economy"),
    ("Storm closes the harbour", "Wind and rain reached the coast in the night; ferries stay in port.", "weather"),
    ("A dry spring", "Little rain has fallen since March, and farmers wait for clouds.", "weather"),
    ("Home team wins the final", "Two late goals decided the match before a full stadium.", "sport"),
    ("Rain stops the match", "The football match ended after an hour, when the pitch was under water.", "sport"),
    ("A vaccine for malaria", "Doctors begin to vaccinate children in three countries.", "health"),
    ("New bridge opens to trains", "The railway bridge cuts the journey to the coast by an hour.", "transport"),
]


def load() -> int:
    """Write the articles with their embeddings, and return how many there are."""
    authors = Author.objects.bulk_create(
        [Author(name="Ada Brandt", country="DE"), Author(name="Luc Petit", country="FR")]
    )
    articles = [
        Article(
            title=title, body=body, category=category, author=authors[n % 2], published=date(2026, 1, 1) + timedelta(n)
        )
        for n, (title, body, category) in enumerate(_ARTICLES)
    ]
    made_by = embedder()
    assert made_by is not None, "the settings name an embedder"
    for article, vector in zip(articles, made_by.embed([article.text for article in articles]), strict=True):
        article.embedding = vector
    Article.objects.bulk_create(articles)
    water = Tag.objects.create(name="water")
    water.articles.set(article for article in articles if "rain" in article.text.lower())
    return len(articles)
