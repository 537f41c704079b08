"""Lets bare names reach the extension where its schema is not on the ``search_path``: DDL and reflection need that."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
import sqlalchemy as sa

__all__ = ["show_extension", "show_extension_always"]

_SHOW: LiteralString = (
    "SELECT pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ',"
    " nullif(pg_catalog.current_setting('search_path'), ''), pg_catalog.quote_ident(n.nspname)), %s)"
    " FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace"
    " WHERE e.extname = 'vector' AND n.nspname <> ALL (pg_catalog.current_schemas(true))"
)


def show_extension(connection: sa.Connection) -> None:
    """Put the schema of the extension at the end of the search path, until the transaction ends."""
    connection.exec_driver_sql(_SHOW, (True,))


def show_extension_always(engine: sa.Engine) -> None:
    """Do so on every connection that an engine will open, for good.

    For engines that are the caller's own and keep no connections. Behind a pooler the setting would stay on a server
    connection, but it is made only where the extension cannot be reached without.
    """

    @sa.event.listens_for(engine, "connect")
    def show(raw: psycopg.Connection[Any], _record: Any) -> None:
        raw.execute(_SHOW, (False,))
        raw.commit()
