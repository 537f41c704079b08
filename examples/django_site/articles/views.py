"""A page that searches, and one that shows an article with those near it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from articles.models import Article

_SHOWN = 5


def search(request: HttpRequest) -> HttpResponse:
    """Show what is near to a question, within a category and a country where they are chosen."""
    question = request.GET.get("q", "").strip()
    articles = Article.objects.select_related("author")
    if category := request.GET.get("category"):
        articles = articles.filter(category=category)
    if country := request.GET.get("country"):
        articles = articles.filter(author__country=country)
    found = articles.search(question)[:_SHOWN] if question else None
    return render(request, "articles/search.html", {"question": question, "found": found})


def article(request: HttpRequest, pk: int) -> HttpResponse:
    """Show an article, and those nearest to it."""
    shown = get_object_or_404(Article.objects.select_related("author").defer("embedding"), pk=pk)
    similar = Article.objects.similar(shown)[:_SHOWN]
    return render(request, "articles/article.html", {"article": shown, "similar": similar})
