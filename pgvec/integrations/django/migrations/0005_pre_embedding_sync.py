"""The script ``0005_pre_embedding_sync``."""

from __future__ import annotations

from django.db import migrations

from pgvec.integrations.django.operations import RunPgvecSQL


class Migration(migrations.Migration):
    """Run the script, or take it back."""

    dependencies: list[tuple[str, str]] = [("pgvec", "0004_pre_keyword")]
    operations = [RunPgvecSQL("0005_pre_embedding_sync")]
