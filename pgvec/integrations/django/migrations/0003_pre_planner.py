"""The script ``0003_pre_planner``."""

from __future__ import annotations

from django.db import migrations

from pgvec.integrations.django.operations import RunPgvecSQL


class Migration(migrations.Migration):
    """Run the script, or take it back."""

    dependencies: list[tuple[str, str]] = [("pgvec", "0002_extension")]
    operations = [RunPgvecSQL("0003_pre_planner")]
