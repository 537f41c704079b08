"""Which database a command works on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import sqlalchemy as sa

from pgvec.cli.progress import waiting
from pgvec.embedded import EmbeddedServer
from pgvec.execution.migrate import migration_engine

__all__ = ["open_database"]


@contextmanager
def open_database(url: str | None) -> Iterator[sa.Engine]:
    """Yield an engine on the database at ``url``; without one, on the embedded server, which runs while it is needed."""
    if url is not None:
        yield migration_engine(url)
        return
    server = EmbeddedServer()
    try:
        with nullcontext() if server.running else waiting("starting the embedded server"):
            server.start()
        yield migration_engine(server.url)
    finally:
        server.close()
