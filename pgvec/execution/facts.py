"""The facts of a server, asked once for each pool of connections."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from pgvec.errors import ConfigurationError, ExtensionMissingError, ExtensionTooOldError
from pgvec.model import ServerFacts

__all__ = ["OLDEST_EXTENSION", "PROBE", "check_facts", "forget_facts", "known_facts", "read_facts", "require_psycopg"]

OLDEST_EXTENSION = "0.8.0"

PROBE = sa.text(
    "SELECT current_setting('server_version_num')::int, e.extversion, n.nspname"
    " FROM (SELECT 1) AS one"
    " LEFT JOIN pg_catalog.pg_extension AS e ON e.extname = 'vector'"
    " LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace"
)

# Engine.execution_options() makes an engine of its own, for each request if an application likes; the pool is the same.
_known: WeakKeyDictionary[sa.Pool, ServerFacts] = WeakKeyDictionary()


def known_facts(engine: sa.Engine) -> ServerFacts | None:
    """Return what is known of the server behind ``engine``, or None before it was asked."""
    return _known.get(engine.pool)


def forget_facts(engine: sa.Engine) -> None:
    """Ask the server again next time, for example after the extension was moved or updated."""
    _known.pop(engine.pool, None)


def read_facts(engine: sa.Engine, row: Any) -> ServerFacts:
    """Check the answer to :data:`PROBE` and remember it.

    Raises:
        ExtensionMissingError: The extension ``vector`` is not installed in this database.
        ExtensionTooOldError: It is older than pgvec supports.
    """
    facts = check_facts(row)
    _known[engine.pool] = facts
    return facts


def check_facts(row: Any) -> ServerFacts:
    """Return the answer to :data:`PROBE` as facts, once they are what pgvec supports.

    Raises:
        ExtensionMissingError: The extension ``vector`` is not installed in this database.
        ExtensionTooOldError: It is older than pgvec supports.
    """
    server_version, extension_version, schema = row
    if extension_version is None:
        raise ExtensionMissingError(
            "The extension 'vector' is not installed in this database: run  pgvec migrate up  or, as a privileged role,  "
            "CREATE EXTENSION vector"
        )
    if _parts(extension_version) < _parts(OLDEST_EXTENSION):
        raise ExtensionTooOldError(
            f"The extension 'vector' is at {extension_version}; pgvec needs {OLDEST_EXTENSION} or newer: install the newer "
            "package on the server, then run  ALTER EXTENSION vector UPDATE",
            installed=extension_version,
            required=OLDEST_EXTENSION,
        )
    return ServerFacts(server_version, extension_version, schema)


def require_psycopg(dialect: sa.Dialect) -> None:
    """Refuse an engine whose driver pgvec cannot use.

    Raises:
        ConfigurationError: The engine is not for PostgreSQL through psycopg 3.
    """
    if dialect.name != "postgresql" or dialect.driver not in ("psycopg", "psycopg_async"):
        raise ConfigurationError(
            f"pgvec works through psycopg 3, and this engine is '{dialect.name}+{dialect.driver}': create it with a URL that "
            "begins with  postgresql+psycopg://"
        )


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
