"""Where a server keeps its files."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pgvec.embedded.account import Account
from pgvec.embedded.binaries import SHARED_BASE
from pgvec.errors import ServerError

__all__ = ["Place", "default_path", "locate", "prepare"]

_LOCATION = "location"
_LONGEST_SOCKET = 103  # macOS has room for 104 bytes with the closing zero, Linux for 108
_SOCKET = ".s.PGSQL.5432"

_logger = logging.getLogger("pgvec.embedded")


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one server.

    Attributes:
        home: What the server owns: its data, its log and, where the path is short enough, its socket.
        sockets: The folder of the Unix socket. Only the server's own account (and root) may enter it: this is what keeps other
            users of the machine out, for whoever reaches the socket is trusted.
    """

    home: Path
    sockets: Path

    @property
    def data(self) -> Path:
        """The PostgreSQL data directory."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self.home / "log"

    @property
    def socket(self) -> Path:
        """The Unix socket."""
        return self.sockets / _SOCKET


def default_path() -> Path:
    """Return ``PGVEC_SERVER_DIR``, or the folder for a user's data by the XDG convention."""
    if chosen := os.environ.get("PGVEC_SERVER_DIR"):
        return Path(chosen)
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "pgvec" / "server"


def locate(path: Path) -> Place:
    """Return the place of a server that was started at ``path`` before, or that an ordinary user starts there."""
    link = path / _LOCATION
    home = link.readlink() if link.is_symlink() else path
    return Place(home, _sockets(home))


def prepare(path: Path, account: Account | None) -> Place:
    """Make the folders of a server and return them.

    For root, whose server runs as ``account``, they are made where that account can reach them: at ``path`` if it can be entered,
    else under ``/var/lib/pgvec``, and ``path`` keeps a link. No permissions of parent folders are changed.
    """
    if account is not None and not (path / _LOCATION).is_symlink():
        _make_reachable(path, account)
    place = locate(path)
    if not place.home.is_dir():
        message = f"{path} says that the server's files are in {place.home}, which does not exist: remove {path} to begin anew"
        raise ServerError(message)
    _own_folder(place.sockets, account)
    if account is not None:
        place.log.touch()
        account.own(place.log, 0o600)
    return place


def _make_reachable(path: Path, account: Account) -> None:
    if _is_new(path) and account.can_enter(path.parent):
        account.own(path, 0o700)
    elif not account.can_enter(path):
        SHARED_BASE.mkdir(mode=0o755, parents=True, exist_ok=True)
        home = Path(tempfile.mkdtemp(prefix="server-", dir=SHARED_BASE))
        account.own(home, 0o700)
        (path / _LOCATION).symlink_to(home)
        _logger.warning("%s cannot be reached by the user %s: the server's files are in %s", path, account.name, home)


def _is_new(path: Path) -> bool:
    return {entry.name for entry in path.iterdir()} <= {"lock", "users"}


def _sockets(home: Path) -> Path:
    beside = home.absolute() / "sockets"
    if len(os.fsencode(beside / _SOCKET)) <= _LONGEST_SOCKET:
        return beside
    digest = hashlib.sha256(os.fsencode(home.absolute())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"pgvec-{digest}"


def _own_folder(folder: Path, account: Account | None) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if account is not None:
            account.own(folder, 0o700)
    found = folder.lstat()
    owner = account.uid if account else os.geteuid()
    # The folder for temporary files is open to all: someone else may have put a folder of this name there.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
        message = (
            f"{folder} is not a folder that only the server's user may enter (mode 0700): remove it and start again"
        )
        raise ServerError(message)
