"""The script ``0004_pre_keyword``."""

from __future__ import annotations

from django.db import migrations

from pgvec.integrations.django.operations import RunPgvecSQL


class Migration(migrations.Migration):
    """Run the script, or take it back."""

    dependencies: list[tuple[str, str]] = [("pgvec", "0003_pre_planner")]
    operations = [RunPgvecSQL("0004_pre_keyword")]
