"""The step that installs the extension: where it may, where it may not, and where it is too old."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from pgvec.errors import AccessDeniedError, ExtensionMissingError, ExtensionTooOldError
from pgvec.execution import migrate
from pgvec.execution.facts import OLDEST_EXTENSION
from pgvec.sql import scripts

ALL = tuple(script.name for script in scripts())


def administer(url: str, statement: str, role: str = "postgres") -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(role=sql.Identifier(role)))


def extension_schema(url: str) -> str | None:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'vector'"
        ).fetchone()
    return None if row is None else row[0]


def test_a_role_that_may_not_make_the_schema(login_role: str, empty_database_url: str, role_url: str):
    """Without CREATE on the database the error holds the statement for the administrator, and that statement helps."""
    with pytest.raises(AccessDeniedError) as caught:
        migrate.up(role_url)
    statement = f"CREATE SCHEMA pgvec AUTHORIZATION {login_role};"
    assert str(caught.value).endswith(statement)
    administer(empty_database_url, "CREATE EXTENSION vector")
    administer(empty_database_url, statement)
    assert migrate.up(role_url) == ALL


def test_a_role_that_may_not_install_the_extension(login_role: str, empty_database_url: str, role_url: str):
    """The error names the role, the database and the statement that an administrator must run; nothing is left behind."""
    administer(empty_database_url, "CREATE SCHEMA pgvec AUTHORIZATION {role}", login_role)
    with pytest.raises(ExtensionMissingError) as caught:
        migrate.up(role_url)
    assert login_role in str(caught.value)
    assert str(caught.value).endswith("CREATE EXTENSION vector;")
    assert migrate.status(role_url).applied == ()


def test_a_low_privilege_role_succeeds_where_the_extension_exists(
    login_role: str, empty_database_url: str, role_url: str
):
    """With the extension there and a schema of its own, the role goes up, down and up again."""
    administer(empty_database_url, "CREATE EXTENSION vector")
    administer(empty_database_url, "CREATE SCHEMA pgvec AUTHORIZATION {role}", login_role)
    assert migrate.up(role_url) == ALL
    assert migrate.down(role_url, to="base") == tuple(reversed(ALL))
    assert migrate.up(role_url) == ALL


def test_any_role_may_read_the_record(empty_database_url: str, role_url: str):
    """An application role without grants can ask for the status, and cannot write it."""
    migrate.up(empty_database_url)
    assert migrate.status(role_url).is_current
    with psycopg.connect(role_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM pgvec.migration")


def test_the_extension_goes_where_it_should(empty_database_url: str):
    """``extension_schema`` chooses the schema of an extension that is missing."""
    administer(empty_database_url, 'CREATE SCHEMA "Extra Things"')
    migrate.up(empty_database_url, extension_schema="Extra Things")
    assert extension_schema(empty_database_url) == '"Extra Things"'


def test_the_written_sql_knows_the_schema_of_the_extension(empty_database_url: str):
    """Offline SQL takes ``extension_schema`` along."""
    administer(empty_database_url, 'CREATE SCHEMA "it\'s"')
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(migrate.sql(extension_schema="it's"))
    assert extension_schema(empty_database_url) == '"it\'s"'


def test_a_schema_that_does_not_exist_is_told(empty_database_url: str):
    """A missing ``extension_schema`` is not made on the side: the error says how to make it."""
    with pytest.raises(ExtensionMissingError, match=r'Run:  CREATE SCHEMA "No such";'):
        migrate.up(empty_database_url, extension_schema="No such")


def test_an_extension_in_any_schema_is_found(empty_database_url: str):
    """An extension outside of the search path is found and left where it is."""
    administer(empty_database_url, "CREATE SCHEMA elsewhere")
    administer(empty_database_url, "CREATE EXTENSION vector SCHEMA elsewhere")
    assert migrate.up(empty_database_url) == ALL
    assert extension_schema(empty_database_url) == "elsewhere"


@pytest.mark.pg(">= 18")
def test_a_server_without_pgvector_is_told(empty_database_url: str):
    """Where the package is not installed on the server, the error says to install it."""
    # Hides every extension of the server from this session.
    options = "-c%20extension_control_path%3D/nowhere"
    with pytest.raises(ExtensionMissingError, match="Install the package of pgvector"):
        migrate.up(f"{empty_database_url}&options={options}")


def test_a_server_whose_pgvector_is_too_old(old_extension_url: str):
    """A server that offers 0.6.2 only is refused with both versions, and the extension is not left installed."""
    with pytest.raises(ExtensionTooOldError, match=r"0\.6\.2; pgvec needs 0\.8\.0") as caught:
        migrate.up(old_extension_url)
    assert (caught.value.installed, caught.value.required) == ("0.6.2", OLDEST_EXTENSION)
    assert extension_schema(old_extension_url) is None
    assert migrate.status(old_extension_url).applied == ()


@pytest.mark.parametrize(("version", "accepted"), [("0.8.0", True), ("0.10.0", True), ("1.0", True), ("0.7.4", False)])
def test_versions_are_compared_as_numbers(empty_database_url: str, version: str, accepted: bool):
    """0.10 is newer than 0.8, and a version with fewer parts is compared by the parts that it has."""
    administer(empty_database_url, "CREATE EXTENSION vector")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("UPDATE pg_extension SET extversion = %s WHERE extname = 'vector'", [version])
    if accepted:
        assert migrate.up(empty_database_url) == ALL
    else:
        with pytest.raises(ExtensionTooOldError, match="ALTER EXTENSION vector UPDATE"):
            migrate.up(empty_database_url)
