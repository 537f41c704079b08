"""The Django app of pgvec: fields, indexes, managers, migrations, system checks and an admin that searches by meaning."""

from pgvec.integrations.django.availability import DJANGO_VERSION
from pgvec.integrations.django.fields import EmbeddingField
from pgvec.integrations.django.indexes import HnswIndex, IvfflatIndex
from pgvec.integrations.django.kept import EmbeddingSync, KeywordIndex
from pgvec.integrations.django.managers import EmbeddingManager, EmbeddingQuerySet
from pgvec.integrations.django.operations import RunPgvecSQL
from pgvec.integrations.django.search import EmbeddingSearch

__all__ = [
    "DJANGO_VERSION",
    "EmbeddingField",
    "EmbeddingManager",
    "EmbeddingQuerySet",
    "EmbeddingSearch",
    "EmbeddingSync",
    "HnswIndex",
    "IvfflatIndex",
    "KeywordIndex",
    "RunPgvecSQL",
]
