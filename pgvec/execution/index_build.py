"""Builds an index while the table stays in use, watches it, and clears away what a killed build left behind."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg
import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, DropIndex

from pgvec.errors import InvalidOptionError, PgvecError, SchemaError
from pgvec.execution.sqlstate import translate, translated

__all__ = ["BuildCallback", "BuildProgress", "build_index"]

_SECONDS_BETWEEN_LOOKS = 0.2
_ATTEMPTS = 3

_STATE = sa.text(
    "SELECT i.indisvalid, p.pid, p.phase, p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total"
    " FROM pg_catalog.pg_class AS c"
    " JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid"
    " LEFT JOIN pg_catalog.pg_stat_progress_create_index AS p ON p.index_relid = c.oid"
    " WHERE c.relname = :name AND i.indrelid = pg_catalog.to_regclass(:table)"
)


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is.

    Attributes:
        phase: What Postgres calls the present step.
        done: Units of that step that are done.
        total: Units of that step in all; 0 where the step has none.
    """

    phase: str
    done: int
    total: int


BuildCallback: TypeAlias = Callable[[BuildProgress], None]


def build_index(engine: sa.Engine, index: sa.Index, *, progress: BuildCallback | None = None) -> bool:
    """Build an index online unless it is there, and return only when the catalog says that it is valid.

    A build that another process began is waited for. What a killed or interrupted one left, an INVALID index that costs
    every write and serves no query, is dropped and built anew.

    Args:
        engine: An engine on the database.
        index: The index, declared with ``postgresql_concurrently=True``.
        progress: Called several times a second while Postgres builds.

    Returns:
        Whether this call built it.

    Raises:
        InvalidOptionError: The index would block writes while it is built.
        SchemaError: Others kept removing the index.
    """
    if not index.dialect_options["postgresql"]["concurrently"]:
        raise InvalidOptionError(f"the index {index.name} is not declared with postgresql_concurrently=True")
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with translated(), autocommit.connect() as watcher:
        look = _Look(watcher, index, progress or _unseen)
        built, attempts = False, 0
        while (state := look.settled()) is None or not state.indisvalid:
            if attempts == _ATTEMPTS:
                raise SchemaError(
                    f"the index {index.name} was removed or broken by others {attempts} times: build it again"
                )
            if state is not None:
                watcher.execute(DropIndex(index, if_exists=True))
            built = _build(autocommit, index, look)
            attempts += 1
        return built


class _Look:
    """Reads from the catalog where an index stands."""

    def __init__(self, connection: sa.Connection, index: sa.Index, progress: BuildCallback) -> None:
        assert index.table is not None, "an index that can be built belongs to a table"
        table = connection.dialect.identifier_preparer.format_table(index.table)
        self._connection = connection
        self._parameters = {"name": index.name, "table": table}
        self._progress = progress

    def once(self) -> Any:
        """Return the state of the index, None where there is none, and report how far its build is."""
        state = self._connection.execute(_STATE, self._parameters).one_or_none()
        if state is not None and state.pid is not None and state.phase is not None:
            done, total = state.blocks_done or 0, state.blocks_total or 0
            if not total:
                done, total = state.tuples_done or 0, state.tuples_total or 0
            self._progress(BuildProgress(state.phase, done, total))
        return state

    def settled(self) -> Any:
        """Return the state once nobody is building."""
        state = self.once()
        seen_invalid = 0
        # At the end of a build there is a moment in which it is reported no more, and not yet valid.
        while state is not None and not state.indisvalid and seen_invalid < 2:
            seen_invalid = 0 if state.pid is not None else seen_invalid + 1
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            state = self.once()
        return state


def _build(engine: sa.Engine, index: sa.Index, look: _Look) -> bool:
    """Run the statement in a thread and watch it; return whether it succeeded, False where another process was faster."""
    failures: list[BaseException] = []

    def run(connection: sa.Connection) -> None:
        try:
            connection.execute(CreateIndex(index))
        except BaseException as exc:  # noqa: BLE001  (it is raised again where somebody listens)
            failures.append(exc)

    with engine.connect() as connection:
        thread = threading.Thread(target=run, args=(connection,), name="pgvec-index-build", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                look.once()
                thread.join(_SECONDS_BETWEEN_LOOKS)
        except BaseException:
            _cancel(connection, thread)
            raise
    if failures:
        return _raise_unless_there(failures[0])
    return True


def _cancel(connection: sa.Connection, thread: threading.Thread) -> None:
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    with contextlib.suppress(psycopg.Error):
        raw.cancel_safe()
    thread.join()


def _raise_unless_there(failure: BaseException) -> bool:
    error = translate(failure)
    already_there = {"42P07", "23505"}  # the second where two builds meet inside the catalog
    if isinstance(error, PgvecError) and getattr(error, "sqlstate", None) in already_there:
        return False
    raise error from failure


def _unseen(_progress: BuildProgress) -> None:
    """Ignore the progress."""
