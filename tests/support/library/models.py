"""Models of every kind that a search has to live with."""

from __future__ import annotations

import uuid

from django.db import models
from pgvector.django import HnswIndex as PlainHnswIndex
from pgvector.django import VectorField

from pgvec.integrations.django import EmbeddingField, EmbeddingManager, HnswIndex, IvfflatIndex, KeywordIndex


class Author(models.Model):
    """Somebody who writes articles."""

    name = models.CharField(max_length=100)
    country = models.CharField(max_length=2)


class Tag(models.Model):
    """A label of articles."""

    name = models.CharField(max_length=50, unique=True)


class Article(models.Model):
    """A text with an embedding, an author, tags and a field of each kind that needs converting."""

    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    category = models.CharField(max_length=20, db_index=True)
    price = models.DecimalField(max_digits=6, decimal_places=2, null=True, blank=True)
    published = models.DateTimeField(null=True, blank=True)
    details = models.JSONField(default=dict, blank=True)
    author = models.ForeignKey(Author, null=True, blank=True, on_delete=models.CASCADE, related_name="articles")
    tags = models.ManyToManyField(Tag, blank=True, related_name="articles")
    embedding = EmbeddingField(8, distance="cosine", source=("title", "body"), null=True, blank=True)

    objects = EmbeddingManager()

    class Meta:
        ordering = ("title",)
        indexes = (HnswIndex(fields=["embedding"], m=16, ef_construction=64),)


class News(Article):
    """A proxy that shows some of the articles."""

    class NewsManager(EmbeddingManager):
        """Shows news only."""

        def get_queryset(self):
            return super().get_queryset().filter(category="news")

    objects = NewsManager()

    class Meta:
        proxy = True


class Report(Article):
    """An article with more to it, in a table of its own."""

    pages = models.IntegerField()

    objects = EmbeddingManager()


class Place(models.Model):
    """A parent without an embedding."""

    name = models.CharField(max_length=50)


class Museum(Place):
    """A child whose own table has the embedding."""

    embedding = EmbeddingField(3, distance="l2")

    objects = EmbeddingManager()


class Photo(models.Model):
    """A model with pgvector-python's own field and index, and names in need of quotes."""

    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=50, db_column="Full Name")
    vector = VectorField(dimensions=3, null=True)

    objects = EmbeddingManager()

    class Meta:
        db_table = "Photo Album"
        indexes = (
            PlainHnswIndex(
                name="photo_vector", fields=["vector"], m=16, ef_construction=64, opclasses=["vector_l2_ops"]
            ),
        )


class Shape(models.Model):
    """Every type of column, and indexes over smaller forms."""

    half = EmbeddingField(4, type="halfvec", distance="inner_product", null=True)
    sparse = EmbeddingField(10, type="sparsevec", distance="l2", null=True)
    bits = EmbeddingField(8, type="bit", null=True)
    full = EmbeddingField(16, distance="cosine", null=True)

    objects = EmbeddingManager()

    class Meta:
        indexes = (
            HnswIndex(fields=["half"]),
            HnswIndex(fields=["sparse"]),
            IvfflatIndex(fields=["bits"], lists=1),
            HnswIndex(fields=["full"], quantization="halfvec", m=8, ef_construction=32),
            HnswIndex(fields=["full"], quantization="bit", name="shape_full_bits"),
            HnswIndex(fields=["full"], dimensions=8, name="shape_full_8", condition=models.Q(pk__gt=0)),
        )


class Essay(models.Model):
    """A text that is found by its words too, and whose embedding follows it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    author = models.ForeignKey(Author, null=True, blank=True, on_delete=models.SET_NULL)
    embedding = EmbeddingField(8, source=("title", "body"), embedder="counter", null=True, blank=True)

    objects = EmbeddingManager()

    class Meta:
        indexes = (
            HnswIndex(fields=["embedding"]),
            KeywordIndex(fields=["title", "body"], weights=[2, 1], name="essay_words"),
        )
