"""The embedding follows title and body: triggers note who changed, and ``manage.py embed_articles`` embeds it."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("articles", "0002_embedding_index"), ("pgvec", "0008_pre_reembed")]

    operations = [
        migrations.RunSQL(
            "SELECT pgvec.sync_create('articles_article', ARRAY['title', 'body'], 'embedding', 'newsroom',"
            " name => 'articles', backfill => 'missing')",
            reverse_sql="SELECT pgvec.sync_drop('articles')",
        ),
    ]
