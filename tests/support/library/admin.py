"""The admin of the library."""

from __future__ import annotations

from django.contrib import admin
from support.library.models import Article, Essay, Photo

from pgvec.integrations.django.admin import EmbeddingAdmin


@admin.register(Article)
class ArticleAdmin(EmbeddingAdmin):
    """Searches by meaning, filters by category, and has the embedding in its list and form."""

    list_display = ("title", "category", "embedding")
    list_filter = ("category",)
    search_fields = ("title",)
    fieldsets = ((None, {"fields": (("title", "category"), "body", "embedding")}),)


@admin.register(Photo)
class PhotoAdmin(EmbeddingAdmin):
    """Declares nothing."""


@admin.register(Essay)
class EssayAdmin(EmbeddingAdmin):
    """Has a keyword index."""

    list_display = ("title",)
    search_fields = ("title",)
