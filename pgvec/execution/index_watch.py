"""Reads from the catalog where an index stands, and reports how far its build is."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa

from pgvec.execution.index_session import SECONDS_BETWEEN_LOOKS
from pgvec.model.index_build import BuildCallback, BuildProgress
from pgvec.statements import catalog

__all__ = ["IndexWatch", "read_progress"]


class IndexWatch:
    """Watches one index.

    Args:
        connection: A connection in autocommit, which nobody else uses.
        name: The index.
        relation: Its table, quoted for SQL.
        progress: Called with the progress of each look, where Postgres reports one.
    """

    def __init__(self, connection: sa.Connection, name: str, relation: str, progress: BuildCallback | None) -> None:
        self.connection = connection
        self._parameters = {"name": name, "relation": relation}
        self._progress = progress
        self.waiting_for: int | None = None

    def look(self) -> Any:
        """Return the state of the index (``valid`` is None where there is none), and report how far a build is."""
        state = self.connection.execute(catalog.INDEX_BUILD, self._parameters).one()
        # Before the index is in the catalog, what Postgres reports may be another build on the table.
        progress = None if state.valid is None else read_progress(state)
        if progress is not None:
            self.waiting_for = progress.waiting_for
            if self._progress is not None:
                self._progress(progress)
        return state

    def settled(self) -> bool | None:
        """Return whether the index is valid, None where there is none, once nobody builds it."""
        state = self.look()
        seen_abandoned = 0
        # A look may fall between the commit that makes an index valid and the release of the lock.
        while state.valid is False and seen_abandoned < 2:
            seen_abandoned = 0 if state.building else seen_abandoned + 1
            time.sleep(SECONDS_BETWEEN_LOOKS)
            state = self.look()
        valid: bool | None = state.valid
        return valid


def read_progress(row: Any) -> BuildProgress | None:
    """Return the progress that a row of the catalog tells, or None where it tells none."""
    if row.phase is None:
        return None
    done, total = row.blocks_done or 0, row.blocks_total or 0
    if not total:
        done, total = row.tuples_done or 0, row.tuples_total or 0
    return BuildProgress(row.phase, done, total, row.waiting_for or None)
