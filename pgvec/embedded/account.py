"""The operating system account that Postgres runs as: it refuses to run as root."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from pgvec.errors import ServerError

__all__ = ["Account", "server_account"]

_UNPRIVILEGED = ("postgres", "_postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user other than the current one, which only root can switch to."""

    name: str
    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """Return whether the account can reach and enter a folder, by its parents' permission bits."""
        resolved = folder.resolve()
        return all(self._has(step, stat.S_IXUSR) for step in (resolved, *resolved.parents))

    def can_run(self, program: Path) -> bool:
        """Return whether the account can read and run a program."""
        resolved = program.resolve()
        return self.can_enter(resolved.parent) and self._has(resolved, stat.S_IRUSR | stat.S_IXUSR)

    def own(self, path: Path, mode: int) -> None:
        """Give a path to the account."""
        os.chown(path, self.uid, self.gid)
        path.chmod(mode)

    def _has(self, path: Path, owner_bits: int) -> bool:
        found = path.stat()
        shift = 0 if found.st_uid == self.uid else 3 if found.st_gid == self.gid else 6
        return (found.st_mode << shift) & owner_bits == owner_bits


def server_account(data: Path) -> Account | None:
    """Return the account to run Postgres as, or None for the current user.

    Root needs another one: the owner of an existing data directory, else ``postgres``, else ``nobody``.
    """
    if os.geteuid() != 0:
        return None
    if data.is_dir() and (owner := data.stat().st_uid) != 0:
        return Account(_name(owner), owner, data.stat().st_gid)
    for name in _UNPRIVILEGED:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, found.pw_uid, found.pw_gid)
    message = (
        f"Postgres refuses to run as root, and none of the users {', '.join(_UNPRIVILEGED)} exists: "
        "create one (useradd --system postgres), or run as an ordinary user"
    )
    raise ServerError(message)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        message = (
            f"the data directory belongs to user id {uid}, which does not exist on this machine: chown -R it to a user"
        )
        raise ServerError(message) from None
