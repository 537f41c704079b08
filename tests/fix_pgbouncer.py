"""PgBouncer in transaction mode, with the settings of ``docker/pgbouncer/pgbouncer.ini``."""

from __future__ import annotations

import configparser
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from fix_folder import new_folder
from fix_programs import require_program
from psycopg import conninfo

SHIPPED = Path(__file__).parents[1] / "docker" / "pgbouncer" / "pgbouncer.ini"
_PORT = 6432
_START_SECONDS = 10


@pytest.fixture
def pgbouncer(request: pytest.FixtureRequest, database_url: str) -> Iterator[str]:
    """The libpq URL of the fresh database through PgBouncer, with one server connection.

    ``@pytest.mark.parametrize("pgbouncer", [3], indirect=True)`` gives it three. Debian's version knows no prepared statements:
    connect with ``prepare_threshold=None``.
    """
    program = require_program("pgbouncer", "it pools connections (apt-get install pgbouncer)")
    with new_folder(request.config, "bouncer") as folder:
        yield from _running(request, program, folder, database_url)


def _running(request: pytest.FixtureRequest, program: str, folder: Path, database_url: str) -> Iterator[str]:
    server = conninfo.conninfo_to_dict(database_url)
    account = _account(str(server.get("host", "")))
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(_configuration(folder, server, pool_size=getattr(request, "param", 1)))
    configuration.chmod(0o644)
    process = subprocess.Popen(
        [program, "--quiet", configuration],
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
    try:
        _wait(process, folder)
        yield f"postgresql://{quote(str(server['user']))}@/{server['dbname']}?host={quote(str(folder))}&port={_PORT}"
    finally:
        process.terminate()
        process.wait()


def _account(server_host: str) -> pwd.struct_passwd | None:
    """Return whom to run as: PgBouncer refuses root, and must reach the socket of the server."""
    if os.geteuid() != 0:
        return None
    if server_host.startswith("/"):
        return pwd.getpwuid(Path(server_host).stat().st_uid)
    return pwd.getpwnam("nobody")


def _configuration(folder: Path, server: dict[str, object], *, pool_size: int) -> str:
    """Return the shipped file with what must differ on this machine: where it listens, where the server is, the pool's size."""
    parser = configparser.ConfigParser(interpolation=None, comment_prefixes=(";", "#", "%"))
    parser.read_string(SHIPPED.read_text())
    settings = dict(parser["pgbouncer"])
    assert settings["pool_mode"] == "transaction"
    for name in ("auth_file", "auth_query", "auth_user", "listen_addr", "user"):
        settings.pop(name, None)
    settings |= {
        "listen_port": str(_PORT),
        "unix_socket_dir": str(folder),
        "auth_type": "any",
        "logfile": str(folder / "log"),
        "pidfile": str(folder / "pgbouncer.pid"),
        "default_pool_size": str(pool_size),
        "min_pool_size": "0",
        "reserve_pool_size": "0",
    }
    target = {name: server[name] for name in ("host", "port", "user", "password") if server.get(name)}
    return "\n".join(
        [
            "[databases]",
            "* = " + " ".join(f"{name}={_quoted(value)}" for name, value in target.items()),
            "[pgbouncer]",
            *(f"{name} = {value}" for name, value in settings.items()),
            "",
        ]
    )


def _quoted(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _wait(process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _listens(folder / f".s.PGSQL.{_PORT}"):
        if process.poll() is not None or time.monotonic() > deadline:
            log = folder / "log"
            pytest.fail(f"PgBouncer did not start: {log.read_text() if log.exists() else 'no log'}", pytrace=False)
        time.sleep(0.02)


def _listens(path: Path) -> bool:
    # The file is there a moment before anyone listens on it.
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
