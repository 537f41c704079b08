"""The script ``0009_pre_similarity``."""

from __future__ import annotations

from django.db import migrations

from pgvec.integrations.django.operations import RunPgvecSQL


class Migration(migrations.Migration):
    """Run the script, or take it back."""

    dependencies: list[tuple[str, str]] = [("pgvec", "0008_pre_reembed")]
    operations = [RunPgvecSQL("0009_pre_similarity")]
