"""The script ``0002_extension``."""

from __future__ import annotations

from django.db import migrations

from pgvec.integrations.django.operations import RunPgvecSQL


class Migration(migrations.Migration):
    """Run the script, or take it back."""

    dependencies: list[tuple[str, str]] = [("pgvec", "0001_schema")]
    operations = [RunPgvecSQL("0002_extension")]
