"""Settings for one developer's machine, by the memory that it has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pgvec.errors import InvalidOptionError

__all__ = ["render", "server_settings"]

_MB = 1 << 20
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - asked for its size only


def server_settings(sockets: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a server that listens in ``sockets`` only, with ``extra`` on top."""
    memory = _memory_bytes()
    # A parallel HNSW build keeps its graph in dynamic shared memory, of which containers have little.
    shared = shutil.disk_usage(_SHARED_MEMORY).free if _SHARED_MEMORY.exists() else memory
    build = _clamp(min(memory // 8, shared // 2), 64 * _MB, 2048 * _MB)
    return {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "port": "5432",
        "max_connections": "100",
        "shared_buffers": _megabytes(_clamp(memory // 8, 128 * _MB, 2048 * _MB)),
        "effective_cache_size": _megabytes(_clamp(memory // 2, 256 * _MB, memory)),
        "maintenance_work_mem": _megabytes(build),
        "max_parallel_maintenance_workers": "2" if shared >= 2 * build else "0",
        "max_wal_size": "4GB",
        "random_page_cost": "1.1",
        "shared_preload_libraries": "pg_stat_statements",
        "lc_messages": "C",
        **extra,
    }


def render(settings: Mapping[str, str]) -> str:
    """Return the text of a configuration file.

    Raises:
        InvalidOptionError: A name or value cannot be written into a configuration file.
    """
    lines = []
    for name, value in settings.items():
        if not name.replace("_", "").replace(".", "").isalnum() or "\n" in value:
            message = f"the setting {name!r} = {value!r} cannot be written into a configuration file: check its name and value"
            raise InvalidOptionError(message)
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{quoted}'\n")
    return "".join(lines)


def _memory_bytes() -> int:
    limits = [limit.read_text().strip() for limit in _CGROUP_LIMITS if limit.exists()]
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *(int(limit) for limit in limits if limit.isdigit())])


def _clamp(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))


def _megabytes(value: int) -> str:
    return f"{value // _MB}MB"
