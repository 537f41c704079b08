"""A role that may log in and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url


@pytest.fixture
def login_role(server_url: str) -> Iterator[str]:
    """The name (and password) of a role without any privilege of its own; databases must be dropped before it."""
    name = f"pgvec_test_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(name)))
        yield name
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def role_url(login_role: str, empty_database_url: str) -> str:
    """The libpq URL of the empty database, as ``login_role``."""
    url = make_url(empty_database_url).set(username=login_role, password=login_role)
    return url.render_as_string(hide_password=False)
