"""A database of its own for the run: on a server that is given, or on an embedded one that is thrown away."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pgvec.embedded import EmbeddedServer

__all__ = ["checkpoint", "fresh_database"]


@contextmanager
def fresh_database(url: str | None) -> Iterator[str]:
    """Make a database with the extension ``vector``, yield its libpq address, and drop it in the end.

    Args:
        url: libpq address of a server whose role may create databases and the extension; None starts an embedded server.
    """
    if url is None:
        with (
            tempfile.TemporaryDirectory(prefix="pgvec-bench-") as folder,
            EmbeddedServer(folder) as server,
            _database(server.url) as conninfo,
        ):
            yield conninfo
    else:
        with _database(url) as conninfo:
            yield conninfo


def checkpoint(conninfo: str) -> None:
    """Write dirty pages out, where the role may, so that one load does not pay for the one before it."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        try:
            connection.execute("CHECKPOINT")
        except psycopg.errors.InsufficientPrivilege:
            return


@contextmanager
def _database(url: str) -> Iterator[str]:
    name = f"pgvec_bench_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as administration:
        administration.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            conninfo = make_conninfo(url, dbname=name)
            with psycopg.connect(conninfo, autocommit=True) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            yield conninfo
        finally:
            administration.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
