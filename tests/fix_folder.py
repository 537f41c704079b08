"""One folder for the servers of a run: in the end, however it comes, none of them runs and the folder is gone.

The process that the user started owns it. Workers that are killed, as after Ctrl-C, tear nothing down themselves.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

_FOLDER = pytest.StashKey[Path]()
_PID_FILES = ("postmaster.pid", "pgbouncer.pid")
_PATIENCE_SECONDS = 10
# Each test makes and drops a database of some 300 files, which took 10 to 20 times longer on a disk (measured on ext4).
_MEMORY = Path("/dev/shm")
_ENOUGH_MEMORY_BYTES = 4 << 30


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if worker_input := getattr(config, "workerinput", None):
        config.stash[_FOLDER] = Path(worker_input["pgvec_folder"])
        return
    config.stash[_FOLDER] = folder = Path(tempfile.mkdtemp(prefix="pgvec-tests-", dir=_place()))
    # The servers run as users of their own where the tests run as root.
    folder.chmod(0o755)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    node.workerinput["pgvec_folder"] = str(run_folder(node.config))  # type: ignore[attr-defined]


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        folder = config.stash[_FOLDER]
        _stop_servers(folder)
        shutil.rmtree(folder, ignore_errors=True)


def run_folder(config: pytest.Config) -> Path:
    """Return the folder of the run."""
    return config.stash[_FOLDER]


@contextlib.contextmanager
def new_folder(config: pytest.Config, prefix: str) -> Iterator[Path]:
    """Yield a new folder within that of the run, which every user can reach; it is removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=run_folder(config)))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _place() -> Path | None:
    """Return a file system in memory with room for the databases of a run; None leaves the choice to ``TMPDIR``."""
    fits = "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK)
    return _MEMORY if fits and shutil.disk_usage(_MEMORY).free >= _ENOUGH_MEMORY_BYTES else None


def _stop_servers(folder: Path) -> None:
    running = []
    for path in folder.rglob("*.pid"):
        with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
            process = psutil.Process(int(path.read_text().split()[0]))
            if path.name in _PID_FILES and str(folder) in " ".join(process.cmdline()):
                process.send_signal(signal.SIGQUIT)
                running.append(process)
    for process in psutil.wait_procs(running, timeout=_PATIENCE_SECONDS)[1]:
        process.kill()
