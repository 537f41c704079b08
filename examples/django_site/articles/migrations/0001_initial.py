"""Tables of the site; pgvec's migrations before it install the extension."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

import pgvec.integrations.django


class Migration(migrations.Migration):
    initial = True

    dependencies = [("pgvec", "0002_extension")]

    operations = [
        migrations.CreateModel(
            name="Author",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("country", models.CharField(max_length=2)),
            ],
        ),
        migrations.CreateModel(
            name="Tag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=50, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="Article",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=200)),
                ("body", models.TextField()),
                ("category", models.CharField(db_index=True, max_length=20)),
                ("published", models.DateField(db_index=True)),
                (
                    "embedding",
                    pgvec.integrations.django.EmbeddingField(
                        blank=True,
                        dimensions=384,
                        distance="cosine",
                        editable=False,
                        null=True,
                        source=("title", "body"),
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="articles", to="articles.author"
                    ),
                ),
                ("tags", models.ManyToManyField(blank=True, related_name="articles", to="articles.tag")),
            ],
            options={"ordering": ("-published", "title")},
        ),
    ]
