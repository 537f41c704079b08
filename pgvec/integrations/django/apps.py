"""The entry for ``INSTALLED_APPS``."""

from __future__ import annotations

from django.apps import AppConfig

from pgvec.integrations.django.checks import register_checks

__all__ = ["PgvecConfig"]


class PgvecConfig(AppConfig):
    """The app ``pgvec``: migrations of the Postgres schema, system checks and management commands; it has no models."""

    name = "pgvec.integrations.django"
    label = "pgvec"
    verbose_name = "pgvec"

    def ready(self) -> None:
        """Register the system checks."""
        register_checks()
