"""The admin: its search box finds articles by meaning."""

from __future__ import annotations

from django.contrib import admin

from articles.models import Article, Author, Tag
from pgvec.integrations.django.admin import EmbeddingAdmin


@admin.register(Article)
class ArticleAdmin(EmbeddingAdmin):
    list_display = ("title", "category", "author", "published")
    list_filter = ("category", "author__country")
    list_select_related = ("author",)
    search_fields = ("title", "body")
    filter_horizontal = ("tags",)


admin.site.register([Author, Tag])
