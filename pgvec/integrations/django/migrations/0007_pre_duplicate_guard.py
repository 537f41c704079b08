"""The script ``0007_pre_duplicate_guard``."""

from __future__ import annotations

from django.db import migrations

from pgvec.integrations.django.operations import RunPgvecSQL


class Migration(migrations.Migration):
    """Run the script, or take it back."""

    dependencies: list[tuple[str, str]] = [("pgvec", "0006_pre_search_functions")]
    operations = [RunPgvecSQL("0007_pre_duplicate_guard")]
