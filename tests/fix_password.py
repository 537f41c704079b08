"""A role whose password the server really checks."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from fix_server import PASSWORD_ROLES
from psycopg import sql
from sqlalchemy import make_url


@pytest.fixture
def password_url(server_url: str, database_url: str) -> Iterator[str]:
    """The libpq URL of the fresh database as a role with a password; skips on a server that trusts everybody."""
    name = PASSWORD_ROLES + secrets.token_hex(6)
    identifier = sql.Identifier(name)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(identifier, sql.Literal(name)))
        try:
            if _trusted(database_url, name):
                pytest.skip("the server asks nobody for a password")
            yield _as(database_url, name, name)
        finally:
            connection.execute(sql.SQL("DROP ROLE {}").format(identifier))


def _as(url: str, name: str, password: str) -> str:
    return make_url(url).set(username=name, password=password).render_as_string(hide_password=False)


def _trusted(url: str, name: str) -> bool:
    try:
        psycopg.connect(_as(url, name, "wrong")).close()
    except psycopg.OperationalError:
        return False
    return True
