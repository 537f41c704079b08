"""``manage.py load_articles``: a few articles to begin with."""

from __future__ import annotations

from django.core.management.base import BaseCommand
from django.db import transaction

from articles import samples


class Command(BaseCommand):
    help = "Write a few articles, with embeddings by the embedder of the settings."

    @transaction.atomic
    def handle(self, *args: object, **options: object) -> None:
        self.stdout.write(f"{samples.load()} articles loaded")
