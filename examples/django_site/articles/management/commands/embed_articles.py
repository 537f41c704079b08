"""``manage.py embed_articles``: a worker that embeds the articles whose text changed."""

from __future__ import annotations

import sqlalchemy as sa
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from psycopg.conninfo import make_conninfo

from pgvec.embedding_sync import Worker
from pgvec.execution.url import engine_url
from pgvec.integrations.django.conf import embedder


def database_url() -> sa.URL:
    """Return where Django's database is; while tests run, that is theirs."""
    given = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    parts = {name: given[key] for name, key in names.items()} | given["OPTIONS"]
    return engine_url(make_conninfo(**{name: value for name, value in parts.items() if value}))


class Command(BaseCommand):
    help = "Embed the articles whose text changed, with the embedder of the settings."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--forever", action="store_true", help="go on until it is stopped, instead of ending when all is done"
        )

    def handle(self, *args: object, forever: bool, **options: object) -> None:
        model = embedder()
        if model is None:
            raise CommandError("The settings name no embedder")
        engine = sa.create_engine(database_url())
        worker = Worker(engine, {"newsroom": model})
        try:
            done = worker.run() if forever else worker.run_once()
        except KeyboardInterrupt:
            done = worker.work
        finally:
            engine.dispose()
        self.stdout.write(f"{done.written} rows are up to date, {done.texts} texts were embedded")
