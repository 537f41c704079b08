"""What is known of the building of a vector index: before it starts, while it runs, and afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pgvec.model.catalog import CatalogIndex

__all__ = ["BuildCallback", "BuildPlan", "BuildProgress", "BuildSettings", "IndexState"]

_REBUILD_FROM_DEAD_SHARE = 0.2
_FEW_ROWS = 1_000
# Below this recall something is wrong; with so many dead rows a graph is worn rather than too small.
_POOR_RECALL = 0.9
_SOME_DEAD = 0.05


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is.

    Attributes:
        phase: What Postgres calls the present step.
        done: Units of that step that are done.
        total: Units of that step in all; 0 where the step has none.
        waiting_for: Process of the server whose transaction the step waits for, or None.
    """

    phase: str
    done: int
    total: int
    waiting_for: int | None = None


BuildCallback: TypeAlias = Callable[[BuildProgress], None]


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """Settings of Postgres for the connection that builds; they are taken back afterwards.

    Attributes:
        maintenance_work_mem: As Postgres takes it, ``2GB``; None leaves the server's.
        workers: Parallel workers beside the one that leads, None leaves the server's, 0 builds serially.
        lock_timeout_seconds: How long to wait for transactions of others that are in the way; None waits as long as it takes,
            whatever the role's own ``lock_timeout`` says. Writers are not blocked meanwhile.
        statement_timeout_seconds: How long a build may take; None ends none, whatever the role's own setting says.
    """

    maintenance_work_mem: str | None = None
    workers: int | None = None
    lock_timeout_seconds: float | None = None
    statement_timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What a build will need, and what stands in its way.

    Attributes:
        rows: Rows to index, by the statistics of the table.
        memory_bytes: What the graph (HNSW) or the samples (IVFFlat) take while building, at most.
        maintenance_work_mem_bytes: What the build may take.
        workers: Parallel workers that Postgres would start, at most.
        shared_memory_bytes: Free space of ``/dev/shm`` where the server is on this machine, else None.
        advice: What should be done first, one sentence each; empty where nothing is to be said.
    """

    rows: int
    memory_bytes: int
    maintenance_work_mem_bytes: int
    workers: int
    shared_memory_bytes: int | None
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndexState:
    """An index as it is now.

    Attributes:
        index: What the catalog has of it.
        size_bytes: Its size on disk.
        scans: Scans since the statistics were reset.
        live_rows: Rows of its table, by the statistics.
        dead_rows: Rows that were deleted or updated and not yet vacuumed, by the statistics.
        builder: Process that builds it at present, or None.
        recall: Recall@10 of a sample of searches of its column, or None where it was not measured.
    """

    index: CatalogIndex
    size_bytes: int
    scans: int
    live_rows: int
    dead_rows: int
    builder: int | None = None
    recall: float | None = None

    @property
    def dead_share(self) -> float:
        """Share of dead rows among all rows of the table."""
        return self.dead_rows / max(self.live_rows + self.dead_rows, 1)

    @property
    def status(self) -> str:
        """``valid``, ``building``, or ``INVALID`` for what a killed build left."""
        if self.index.valid:
            return "valid"
        return "INVALID" if self.builder is None else "building"

    @property
    def advice(self) -> str | None:
        """What should be done about it, or None."""
        name = self.index.name
        if self.status == "INVALID":
            return f"costs every write and serves no search: pgvec index rebuild {name}, or drop it"
        if self.dead_share >= _REBUILD_FROM_DEAD_SHARE and self.dead_rows >= _FEW_ROWS:
            return f"{self.dead_share:.0%} of the rows are dead: VACUUM the table, then pgvec index rebuild {name}"
        if self.recall is not None and self.recall < _POOR_RECALL:
            found = f"searches find {self.recall:.0%} of the nearest ten"
            if self.dead_share >= _SOME_DEAD:
                return f"{found}, and {self.dead_share:.0%} of the rows are dead: VACUUM the table, then pgvec index rebuild {name}"
            return f"{found}: pgvec tune finds a better ef_search; where it finds none, build it with a larger m and ef_construction"
        return None
