"""The database that the examples share: ``PGVEC_URL``, else the local server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from pgvec.embedded import EmbeddedServer
from pgvec.execution import migrate
from pgvec.execution.url import engine_url

SCHEMA = "pgvec_example"


@contextmanager
def example_database() -> Iterator[sa.URL]:
    """Yield the URL of a migrated database with an empty schema ``pgvec_example``, which is dropped at the end."""
    if given := os.environ.get("PGVEC_URL"):
        with _prepared(engine_url(given)) as url:
            yield url
    else:
        with EmbeddedServer() as server, _prepared(engine_url(server.url)) as url:
            yield url


@contextmanager
def _prepared(url: sa.URL) -> Iterator[sa.URL]:
    engine = sa.create_engine(url)
    migrate.up(engine)
    with engine.begin() as connection:
        connection.execute(sa.schema.DropSchema(SCHEMA, cascade=True, if_exists=True))
        connection.execute(sa.schema.CreateSchema(SCHEMA))
    try:
        yield url
    finally:
        with engine.begin() as connection:
            connection.execute(sa.schema.DropSchema(SCHEMA, cascade=True))
        engine.dispose()
