"""A PostgreSQL server with pgvector on this machine, without Docker and without administrator rights."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from pgvec.embedded.account import server_account
from pgvec.embedded.binaries import find_binaries
from pgvec.embedded.cluster import Cluster
from pgvec.embedded.locks import FileLock
from pgvec.embedded.place import Place, default_path, locate, prepare
from pgvec.errors import ServerError

__all__ = ["EmbeddedServer", "ServerStatus"]


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known of a server: ``pid`` is None when it does not run."""

    running: bool
    path: Path
    url: str
    pid: int | None


class EmbeddedServer:
    """A local server, for tests and for trying things out. It is not made for production.

    Several processes may use one server: the first starts it, and the last that leaves stops it. A killed process counts as one
    that has left. The data stay between runs::

        with EmbeddedServer() as server:
            engine = create_engine(server.sqlalchemy_url)

    The server listens on a Unix socket only, in a folder that no other user of the machine may enter, and asks for no password.
    For root, Postgres runs as another user (the owner of the data, ``postgres`` or ``nobody``); where that user cannot reach
    ``path``, the files are kept under ``/var/lib/pgvec`` and ``path`` holds a link to them.

    Args:
        path: The folder of the server; made when missing. By default ``PGVEC_SERVER_DIR``, or ``~/.local/share/pgvec/server``.
        settings: PostgreSQL settings for a server that this object starts; one that is running keeps its own.
        timeout_seconds: How long to wait for other processes, and for the server to start or to stop.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout_seconds: float = 60.0,
    ) -> None:
        self._path = Path(path if path is not None else default_path()).expanduser().absolute()
        self._settings = dict(settings or {})
        self._timeout_seconds = timeout_seconds
        self._users = FileLock(self._path / "users")
        self._owner_pid = 0

    @property
    def path(self) -> Path:
        """The folder of the server."""
        return self._path

    @property
    def data_path(self) -> Path:
        """The PostgreSQL data directory."""
        return self._place.data

    @property
    def log_path(self) -> Path:
        """The log file of the server."""
        return self._place.log

    @property
    def psql_path(self) -> Path:
        """The program ``psql`` that belongs to the server."""
        return find_binaries() / "psql"

    @property
    def url(self) -> str:
        """The libpq URL of the database ``postgres``, as its superuser; valid while the server runs."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._place.sockets), safe='/')}&port=5432"

    @property
    def sqlalchemy_url(self) -> str:
        """The same for ``sqlalchemy.create_engine``, with psycopg 3."""
        return self.url.replace("postgresql:", "postgresql+psycopg:", 1)

    @property
    def running(self) -> bool:
        """Whether the server runs, whoever started it."""
        with self._translated():
            return self._cluster().alive

    def status(self) -> ServerStatus:
        """Return whether the server runs, and where."""
        running = self.running
        return ServerStatus(running, self._path, self.url, self._cluster().pid if running else None)

    def start(self, *, detached: bool = False) -> Self:
        """Start the server, or join the one that runs.

        Args:
            detached: Keep it running when this process and all others have left, until :meth:`stop`.

        Raises:
            MissingDependencyError: The extra ``embedded`` is not installed.
            ServerError: The server cannot be created or started; the message names the cause.
        """
        with self._translated():
            find_binaries()
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone():
                self._ensure_running()
                if detached:
                    self._kept.touch()
                else:
                    self._join()
        return self

    def close(self) -> None:
        """Leave the server; it stops when nobody else uses it and it was not started detached."""
        atexit.unregister(self._leave)
        if not self._users.held:
            return
        if not self._path.exists():  # removed meanwhile: Postgres notices within a minute, and exits
            self._users.release()
            return
        with self._translated(), self._alone():
            self._users.release()
            if self._kept.exists() or not self._users.acquire():
                return
            try:
                self._cluster().stop(self._timeout_seconds)
            finally:
                self._users.release()

    def stop(self) -> None:
        """Stop the server, whoever uses it; without effect when it does not run."""
        atexit.unregister(self._leave)
        if not self._path.exists():
            return
        with self._translated(), self._alone():
            self._users.release()
            self._kept.unlink(missing_ok=True)
            self._cluster().stop(self._timeout_seconds)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EmbeddedServer({str(self._path)!r})"

    @property
    def _place(self) -> Place:
        return locate(self._path)

    @property
    def _kept(self) -> Path:
        """Exists while a server that was started detached runs."""
        return self._path / "detached"

    def _cluster(self) -> Cluster:
        place = self._place
        return Cluster(place, server_account(place.data))

    def _ensure_running(self) -> None:
        account = server_account(self._place.data)
        cluster = Cluster(prepare(self._path, account), account)
        if not cluster.alive:
            self._kept.unlink(missing_ok=True)
            cluster.ensure_created()
            cluster.launch(self._settings, self._timeout_seconds)
        cluster.wait_until_ready(self._timeout_seconds)

    def _join(self) -> None:
        self._users.acquire(shared=True)
        self._owner_pid = os.getpid()
        atexit.register(self._leave)

    def _leave(self) -> None:
        # A forked child inherits this function, but the server is its parent's to leave.
        if self._owner_pid == os.getpid():
            self.close()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from starting or stopping the server meanwhile."""
        lock = FileLock(self._path / "lock")
        if not lock.acquire(timeout_seconds=self._timeout_seconds):
            message = f"another process has been starting or stopping the server in {self._path} for {self._timeout_seconds:g} s: wait for it"
            raise ServerError(message)
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        if (
            sys.platform == "win32"
        ):  # trust is safe behind a folder's permissions, not on a port that every user can reach
            message = (
                "the embedded server needs Unix sockets: use it inside WSL, or use a server of your own by its URL"
            )
            raise ServerError(message)
        try:
            yield
        except PermissionError as exc:
            message = (
                f"no permission for {exc.filename or self._path}: the server in {self._path} belongs to another user; run as that user, or "
                "choose another folder with PGVEC_SERVER_DIR"
            )
            raise ServerError(message) from exc
        except ServerError:
            raise
        except OSError as exc:
            message = f"cannot use {self._path} for a server: {exc}; choose another folder with PGVEC_SERVER_DIR"
            raise ServerError(message) from exc
