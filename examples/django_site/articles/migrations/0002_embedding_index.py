"""The vector index, built while the table stays in use."""

from __future__ import annotations

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations

import pgvec.integrations.django


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY refuses a transaction

    dependencies = [("articles", "0001_initial")]

    operations = [
        AddIndexConcurrently(
            model_name="article",
            index=pgvec.integrations.django.HnswIndex(
                ef_construction=64,
                fields=["embedding"],
                m=16,
                name="articles_ar_embeddi_c6d481_hnsw",
                opclasses=["vector_cosine_ops"],
            ),
        ),
    ]
