"""The script ``0008_pre_reembed``."""

from __future__ import annotations

from django.db import migrations

from pgvec.integrations.django.operations import RunPgvecSQL


class Migration(migrations.Migration):
    """Run the script, or take it back."""

    dependencies: list[tuple[str, str]] = [("pgvec", "0007_pre_duplicate_guard")]
    operations = [RunPgvecSQL("0008_pre_reembed")]
