"""Hears what the database notifies, on a connection of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg
import sqlalchemy as sa
from psycopg import sql

from pgvec.execution.sqlstate import DRIVER_ERRORS

__all__ = ["listen"]

_log = logging.getLogger("pgvec.embedding_sync")
_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_AFTER_FAILURE = 5.0


def listen(engine: sa.Engine, channel: str, heard: Callable[[], None], stop: threading.Event) -> None:
    """Call ``heard`` whenever something is notified on a channel, until ``stop`` is set; a lost connection is made anew.

    After every connect it is called once, because what was notified before was heard by nobody.
    """
    while not stop.is_set():
        try:
            _listen_once(engine, channel, heard, stop)
        except DRIVER_ERRORS as error:
            _log.debug("not listening: %s", error)
            stop.wait(_SECONDS_AFTER_FAILURE)


def _listen_once(engine: sa.Engine, channel: str, heard: Callable[[], None], stop: threading.Event) -> None:
    pooled = engine.raw_connection()
    raw = pooled.driver_connection
    assert isinstance(raw, psycopg.Connection)
    # Taken out of the caller's pool for good, which would otherwise reset it when it is lost.
    pooled.detach()
    pooled.invalidate()
    try:
        raw.rollback()
        raw.autocommit = True
        raw.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        heard()
        while not stop.is_set():
            for _ in raw.notifies(timeout=_SECONDS_BETWEEN_LOOKS, stop_after=1):
                heard()
    finally:
        raw.close()
