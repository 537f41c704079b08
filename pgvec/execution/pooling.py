"""Tells whether a pooler stands between this program and the server, and whether it hands out one process to several clients."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pgvec.execution.sqlstate import translated
from pgvec.model.doctor import Pooling

__all__ = ["pooling_between", "probe_pooling"]

_PROCESS = "SELECT pg_catalog.pg_backend_pid()"


def probe_pooling(engine: sa.Engine) -> Pooling:
    """Look at one connection, and only where a pooler answered it at a second one beside it."""
    with translated(), engine.connect() as first:
        known = _driver(first)
        process = first.exec_driver_sql(_PROCESS).scalar_one()
        first.rollback()
        if known.info.backend_pid == process:
            return Pooling()
        with engine.connect() as second:
            if _driver(second) is known:
                return Pooling(pooled=True)
            other = second.exec_driver_sql(_PROCESS).scalar_one()
            second.rollback()
        return pooling_between(known.info.backend_pid, process, other)


def pooling_between(announced: int, process: int, other: int) -> Pooling:
    """Return what the numbers of processes tell.

    Args:
        announced: The process of which the server told when the first connection was made; a pooler makes one up.
        process: The process that served the first connection.
        other: The process that served a second one, while the first was open and idle.
    """
    return Pooling(pooled=announced != process, shared=announced != process and process == other)


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection
