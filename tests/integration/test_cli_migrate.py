"""``pgvec migrate`` on databases."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

pytest.importorskip("typer", reason="the extra cli is not installed")

from support.command_line import run_pgvec

from pgvec.sql import scripts

NAMES = [script.name for script in scripts()]


def invoke(url: str, *arguments: str) -> Any:
    return run_pgvec("migrate", *arguments, "--url", url)


def test_up_status_and_down(empty_database_url: str):
    """Scripts are run, shown and taken back; a second run has nothing to do."""
    assert NAMES[0] in invoke(empty_database_url, "up").stdout
    assert invoke(empty_database_url, "up").stdout == "nothing to do\n"
    status = invoke(empty_database_url, "status")
    assert all(name in status.stdout for name in NAMES)
    assert "up to date" in status.stdout
    assert json.loads(invoke(empty_database_url, "down", "--json").stdout) == {"scripts": NAMES[-1:]}
    assert "took back" in invoke(empty_database_url, "down", "--to", "base").stdout
    before = json.loads(invoke(empty_database_url, "status", "--json").stdout)
    assert (before["current"], before["pending"], before["is_current"]) == (None, NAMES, False)


def test_status_says_what_to_do(empty_database_url: str):
    """A database that pgvec has not touched is told how to become one that it has."""
    status = invoke(empty_database_url, "status")
    assert status.exit_code == 0
    assert "pgvec migrate up" in status.stdout
    assert "not installed" in status.stdout


def test_up_can_choose_the_place_of_the_extension(empty_database_url: str):
    """``--extension-schema`` installs the extension where it is wanted."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA extensions")
        result = invoke(empty_database_url, "up", "--extension-schema", "extensions", "--to", "head")
        assert result.exit_code == 0, result.output
        where = connection.execute(
            "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'"
        ).fetchone()
    assert where == ("extensions",)


def test_a_role_without_privileges_gets_the_statement_for_its_administrator(role_url: str):
    """The error is one line that holds what to run, and the exit code is 1."""
    result = invoke(role_url, "up")
    assert result.exit_code == 1
    assert "CREATE SCHEMA" in result.stderr or "CREATE EXTENSION" in result.stderr
    assert result.stderr.count("\n") == 1
