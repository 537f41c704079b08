"""The connection that builds an index: its settings, and the thread in which it works while another watches it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa

from pgvec.execution.sqlstate import DRIVER_ERRORS
from pgvec.model.index_build import BuildSettings

__all__ = ["SECONDS_BETWEEN_LOOKS", "build_session", "run_watched"]

SECONDS_BETWEEN_LOOKS = 0.2

_SET = sa.text("SELECT pg_catalog.current_setting(:name), pg_catalog.set_config(:name, :value, false)")
_RESTORE = sa.text("SELECT pg_catalog.set_config(:name, :value, false)")


@contextmanager
def build_session(engine: sa.Engine, settings: BuildSettings) -> Iterator[sa.Connection]:
    """Open a connection in autocommit with the settings of a build, and give it back as it was.

    Settings of a session reach a build through a pooler in transaction mode by luck only: give a URL that leads to the server.
    """
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        before: dict[str, str] = {}
        for name, value in _wanted(settings).items():
            before[name] = connection.execute(_SET, {"name": name, "value": value}).one()[0]
        try:
            yield connection
        finally:
            _restore(connection, before)


def run_watched(
    connection: sa.Connection, statement: sa.Executable, look: Callable[[], object]
) -> BaseException | None:
    """Run a statement in a thread, look several times a second, and return what it failed with.

    Whatever ends the looking (Ctrl-C, a lost connection) also ends the statement on the server.
    """
    failures: list[BaseException] = []

    def run() -> None:
        try:
            connection.execute(statement)
        except BaseException as exc:  # noqa: BLE001  (it is handed on where somebody listens)
            failures.append(exc)

    thread = threading.Thread(target=run, name="pgvec-index-build", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            look()
            thread.join(SECONDS_BETWEEN_LOOKS)
    except BaseException:
        _cancel(connection, thread)
        raise
    return failures[0] if failures else None


def _wanted(settings: BuildSettings) -> dict[str, str]:
    wanted = {
        "statement_timeout": _milliseconds(settings.statement_timeout_seconds),
        "lock_timeout": _milliseconds(settings.lock_timeout_seconds),
        # The plan of a build is made from one connection only, and a client that waits for it is not idle.
        "idle_session_timeout": "0",
    }
    if settings.maintenance_work_mem is not None:
        wanted["maintenance_work_mem"] = settings.maintenance_work_mem
    if settings.workers is not None:
        wanted["max_parallel_maintenance_workers"] = str(settings.workers)
    return wanted


def _milliseconds(seconds: float | None) -> str:
    return "0" if seconds is None else str(max(1, round(seconds * 1000)))


def _restore(connection: sa.Connection, before: dict[str, str]) -> None:
    if connection.invalidated:
        return
    try:
        connection.rollback()
        for name, value in before.items():
            connection.execute(_RESTORE, {"name": name, "value": value})
    except DRIVER_ERRORS:
        # It is lost, or in no state to be used by others.
        connection.invalidate()


def _cancel(connection: sa.Connection, thread: threading.Thread) -> None:
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    with contextlib.suppress(psycopg.Error):
        raw.cancel_safe()
    thread.join()
