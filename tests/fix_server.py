"""The PostgreSQL server of a test run: ``PGVEC_TEST_URL``, else Docker where chosen, else the embedded server.

The process that the user started owns the server; xdist workers are told its URL. Start-up problems are kept and reported by
the first test that needs the server, so that unit tests run without one.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
import pytest
from fix_folder import new_folder
from packaging.specifiers import SpecifierSet
from psycopg.rows import TupleRow

SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Statistics are those that a test made itself: a plan that is asserted must not change by an ANALYZE in passing.
    "autovacuum": "off",
    "max_connections": "200",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_utility": "off",
}
# The embedded server trusts whoever reaches its socket, except roles whose names begin so.
PASSWORD_ROLES = "pgvec_password_"
IMAGE = "pgvector/pgvector:pg17"


@dataclass(frozen=True, slots=True)
class Server:
    """What the tests know of their server; ``problem`` says why there is none."""

    kind: str
    url: str = ""
    postgres: str = ""
    pgvector: str = ""
    problem: str = ""


_SERVER = pytest.StashKey[Server]()
_RESOURCES = pytest.StashKey[contextlib.ExitStack]()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if worker_input := getattr(config, "workerinput", None):
        config.stash[_SERVER] = Server(**worker_input["pgvec_server"])
    elif not config.option.collectonly:
        config.stash[_RESOURCES] = resources = contextlib.ExitStack()
        # By default SIGTERM ends Python at once, and the server would stay.
        signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))
        config.stash[_SERVER] = _start(config, resources)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    node.workerinput["pgvec_server"] = asdict(node.config.stash[_SERVER])  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    if resources := config.stash.get(_RESOURCES, None):
        resources.close()


def pytest_report_header(config: pytest.Config) -> str | None:
    server = config.stash.get(_SERVER, None)
    if server is None:
        return None
    if server.problem:
        return f"server: none ({server.problem.splitlines()[0]})"
    return f"server: PostgreSQL {server.postgres}, pgvector {server.pgvector or 'missing'} ({server.kind})"


def pytest_runtest_setup(item: pytest.Item) -> None:
    server = item.config.stash[_SERVER]
    for name, actual in (("pg", server.postgres.partition(".")[0]), ("pgvector", server.pgvector)):
        for marker in item.iter_markers(name):
            if actual and actual not in SpecifierSet(marker.args[0]):
                pytest.skip(f"needs {name} {marker.args[0]}, the server has {actual}")


@pytest.fixture(scope="session")
def server_url(pytestconfig: pytest.Config) -> str:
    """The libpq URL of the server's maintenance database, as a superuser."""
    server = pytestconfig.stash[_SERVER]
    if server.problem and server.kind == "docker":
        pytest.skip(server.problem)
    if server.problem:
        pytest.fail(server.problem, pytrace=False)
    return server.url


@pytest.fixture
def server_folder(pytestconfig: pytest.Config) -> Iterator[Path]:
    """A folder for an embedded server of the test's own, which is stopped and removed in the end.

    It can be reached by the server's user also when the tests run as root; pytest's ``tmp_path`` is closed to others.
    """
    from pgvec.embedded import EmbeddedServer

    with new_folder(pytestconfig, "own") as parent:
        yield parent / "server"
        EmbeddedServer(parent / "server").stop()


def _start(config: pytest.Config, resources: contextlib.ExitStack) -> Server:
    kind, start = _choose(config)
    try:
        url = resources.enter_context(start())
        postgres, pgvector = _versions(url)
    # Whatever goes wrong belongs to the tests that need a server, not to the run.
    except Exception as exc:  # noqa: BLE001
        return Server(kind, problem=f"{kind}: {exc}")
    return Server(kind, url, postgres, pgvector)


def _choose(config: pytest.Config):
    if url := os.environ.get("PGVEC_TEST_URL"):
        return "PGVEC_TEST_URL", lambda: contextlib.nullcontext(
            url.replace("postgresql+psycopg://", "postgresql://", 1)
        )
    if os.environ.get("PGVEC_TEST_SERVER") == "docker":
        return "docker", _docker_server
    return "embedded", lambda: _embedded_server(config)


@contextlib.contextmanager
def _embedded_server(config: pytest.Config) -> Iterator[str]:
    from pgvec.embedded import EmbeddedServer

    with (
        new_folder(config, "shared") as folder,
        EmbeddedServer(folder, settings=SETTINGS) as server,
    ):
        access = server.data_path / "pg_hba.conf"
        access.write_text(f"local all /^{PASSWORD_ROLES} scram-sha-256\n{access.read_text()}")
        with psycopg.connect(server.url) as connection:
            connection.execute("SELECT pg_reload_conf()")
        yield server.url


@contextlib.contextmanager
def _docker_server() -> Iterator[str]:
    import docker
    from testcontainers.postgres import PostgresContainer

    try:
        docker.from_env().ping()
    except docker.errors.DockerException as exc:
        message = f"PGVEC_TEST_SERVER=docker, but no Docker engine answers ({exc})"
        raise RuntimeError(message) from exc
    options = [argument for name, value in SETTINGS.items() for argument in ("-c", f"{name}={value}")]
    with PostgresContainer(IMAGE, driver=None).with_command(["postgres", *options]) as container:
        yield container.get_connection_url()


def _versions(url: str) -> tuple[str, str]:
    with psycopg.connect(url) as connection:
        row: TupleRow | None = connection.execute(
            "SELECT current_setting('server_version_num')::int, "
            "(SELECT default_version FROM pg_available_extensions WHERE name = 'vector')"
        ).fetchone()
    assert row is not None
    number, pgvector = row
    return f"{number // 10_000}.{number % 10_000}", pgvector or ""
