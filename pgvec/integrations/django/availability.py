"""Says what to install where Django is missing; imported before everything else of this package."""

from __future__ import annotations

from pgvec.errors import MissingDependencyError

try:
    import django
except ImportError as exc:
    raise MissingDependencyError.for_extra("django", "pgvec.integrations.django") from exc

__all__ = ["DJANGO_VERSION"]

DJANGO_VERSION = django.VERSION[:2]
