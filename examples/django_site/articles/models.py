"""The models: an article has an author and tags, and an embedding made from its title and body."""

from __future__ import annotations

from django.db import models

from pgvec.integrations.django import EmbeddingField, EmbeddingManager, HnswIndex


class Author(models.Model):
    name = models.CharField(max_length=100)
    country = models.CharField(max_length=2)

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    name = models.CharField(max_length=50, unique=True)

    def __str__(self) -> str:
        return self.name


class Article(models.Model):
    title = models.CharField(max_length=200)
    body = models.TextField()
    category = models.CharField(max_length=20, db_index=True)
    published = models.DateField(db_index=True)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="articles")
    tags = models.ManyToManyField(Tag, blank=True, related_name="articles")
    embedding = EmbeddingField(384, distance="cosine", source=("title", "body"), null=True, blank=True, editable=False)

    objects = EmbeddingManager()

    class Meta:
        ordering = ("-published", "title")
        indexes = (HnswIndex(fields=["embedding"], m=16, ef_construction=64),)

    def __str__(self) -> str:
        return self.title

    @property
    def text(self) -> str:
        """What the embedding is made from."""
        return f"{self.title}\n{self.body}"
