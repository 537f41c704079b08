"""What the doctor knows of a database, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pgvec.model.catalog import CatalogColumn
from pgvec.model.distance import Distance
from pgvec.model.index_build import IndexState

__all__ = [
    "CHECKS",
    "ColumnHealth",
    "Diagnosis",
    "Finding",
    "Health",
    "IndexHealth",
    "Pooling",
    "SeenFilter",
    "SeenStatement",
    "ServerHealth",
    "Severity",
    "TableHealth",
    "UsedDistance",
    "VectorSample",
]


class Severity(StrEnum):
    """How bad something is."""

    ERROR = "error"
    """Answers are wrong or fail, or may at any moment."""
    WARNING = "warning"
    """Something costs time, space or recall."""
    NOTE = "note"
    """Something to know of, which may be meant."""

    @property
    def rank(self) -> int:
        """Larger is worse."""
        return (Severity.NOTE, Severity.WARNING, Severity.ERROR).index(self)


CHECKS: Mapping[str, str] = MappingProxyType(
    {
        "connection.pooling": "a pooler hands one connection of the server to several clients, or settings of a session stayed on it",
        "extension.search_path": "the schema of the extension is not on the search_path",
        "extension.version": "a version of pgvector whose vacuum may corrupt HNSW indexes (before 0.8.4)",
        "filter.unindexed": "searches are filtered by columns that no index finds",
        "index.duplicate": "two indexes hold the same",
        "index.expression": "an index holds another expression than queries ask for",
        "index.invalid": "an index that a build did not finish",
        "index.missing": "many vectors and no index on them",
        "index.operator_class": "no index of a column serves the distance that it is searched by",
        "memory.build": "maintenance_work_mem is smaller than a graph that will be rebuilt one day",
        "memory.scan": "work_mem ends iterative scans before their budget does",
        "memory.shared_buffers": "the vector indexes do not fit into shared_buffers",
        "scan.budget": "index scans go on to the end of their budget",
        "schema.version": "the schema pgvec is not that of the library",
        "statistics.stale": "the planner knows nothing of a table, or what it was long ago",
        "storage.toasted": "vectors that are stored apart from their rows are read again and again",
        "table.bloat": "many dead rows",
        "vectors.dimensions": "vectors of several lengths in one column",
        "vectors.null": "rows without a vector",
        "vectors.zero": "vectors without a direction",
    }
)
"""Every check by its id, with what it finds. Ids do not change."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    Attributes:
        check: Id of the check that found it.
        severity: How bad it is.
        subject: What it is about: a table, column, index, setting or the database.
        evidence: What was seen, with its figures.
        fix: What to do, in a sentence.
        sql: The statements that do it, each to be run by itself outside of a transaction; empty where no SQL does.
        migration: The same as operations of an Alembic migration, where there are any.
    """

    check: str
    severity: Severity
    subject: str
    evidence: str
    fix: str
    sql: tuple[str, ...] = ()
    migration: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the finding as lines for people."""
        return [
            f"{self.severity.value.upper()} {self.check}: {self.subject}",
            f"   {self.evidence}.",
            f"   {self.fix}.",
            *(f"   {statement};" for statement in self.sql),
        ]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        findings: What is wrong, the worst first.
        tables: Tables with vectors that were looked at.
        unchecked: What the role may not see, so that some checks were left out, in sentences.
    """

    findings: tuple[Finding, ...]
    tables: int
    unchecked: tuple[str, ...] = ()

    def at_least(self, severity: Severity | str) -> tuple[Finding, ...]:
        """Return the findings that are as bad or worse."""
        rank = Severity(severity).rank
        return tuple(finding for finding in self.findings if finding.severity.rank >= rank)

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Pooling:
    """What stands between a client and the server.

    Attributes:
        pooled: Whether the server's process is another than the one that answered when the connection was made.
        shared: Whether two connections of this client were served by one process, so that no setting of a session is safe.
    """

    pooled: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True)
class UsedDistance:
    """A distance by which a column is searched.

    Attributes:
        schema: Postgres schema of the table, or None for what the ``search_path`` shows.
        table: The table.
        column: The column, or None for every vector column of the table.
        distance: The distance.
        source: Who says so.
    """

    schema: str | None
    table: str
    column: str | None
    distance: Distance
    source: str


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """The server and the database, as this connection sees them.

    Attributes:
        database: Name of the database.
        extension_version: Version of the extension, or None where it is not installed.
        extension_schema: Its schema.
        on_path: Whether the ``search_path`` shows it.
        search_path: The setting.
        shared_buffers: The setting, and in bytes; so the two that follow.
        maintenance_work_mem: Memory of builds.
        work_mem: Memory of queries.
        max_scan_tuples: ``hnsw.max_scan_tuples``.
        scan_mem_multiplier: ``hnsw.scan_mem_multiplier``.
        session_settings: Settings of pgvector that somebody set for the session of this connection.
        scripts: Name and checksum of the scripts that made the schema ``pgvec``, or None where there is none.
    """

    database: str
    extension_version: str | None
    extension_schema: str | None
    on_path: bool
    search_path: str
    shared_buffers: tuple[str, int]
    maintenance_work_mem: tuple[str, int]
    work_mem: tuple[str, int]
    max_scan_tuples: int
    scan_mem_multiplier: float
    session_settings: tuple[str, ...]
    scripts: tuple[tuple[str, str], ...] | None


@dataclass(frozen=True, slots=True)
class TableHealth:
    """A table with vectors, or a partition of one.

    Attributes:
        schema: Its Postgres schema.
        name: Its name.
        visible: Whether the ``search_path`` shows it.
        partitioned: Whether its rows are in partitions.
        partition: Whether it is a partition.
        rows: Rows, by the statistics.
        dead_rows: Rows that were deleted or updated and not yet vacuumed.
        changed_rows: Rows written since statistics were last gathered.
        analyzed: Whether they ever were.
        sequential_scans: How often all of it was read.
        toast_pages: Pages of what is stored apart from the rows.
        toast_reads: How often such a page was read.
        leading: Columns that lead a valid index other than one of vectors, or that a GIN index holds.
        narrow: Columns with so few values that an index finds nothing by them.
    """

    schema: str
    name: str
    visible: bool
    partitioned: bool
    partition: bool
    rows: int
    dead_rows: int
    changed_rows: int
    analyzed: bool
    sequential_scans: int
    toast_pages: int
    toast_reads: int
    leading: frozenset[str]
    narrow: frozenset[str]

    @property
    def dead_share(self) -> float:
        """Share of dead rows among all rows."""
        return self.dead_rows / max(self.rows + self.dead_rows, 1)


@dataclass(frozen=True, slots=True)
class VectorSample:
    """What some rows of a column hold.

    Attributes:
        rows: How many rows were looked at.
        present: How many of them have a vector.
        zeros: How many of these are all zeros; None where the type has no length.
        dimensions: Numbers of dimensions found.
    """

    rows: int
    present: int
    zeros: int | None
    dimensions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ColumnHealth:
    """A vector column.

    Attributes:
        column: What the catalog has of it.
        readable: Whether the role may read it.
        null_share: Share of NULLs by the statistics, or None.
        sample: What was found in some of its rows, or None.
    """

    column: CatalogColumn
    readable: bool
    null_share: float | None
    sample: VectorSample | None = None


@dataclass(frozen=True, slots=True)
class IndexHealth:
    """An index of a table with vectors.

    Attributes:
        schema: Postgres schema of the table.
        table: The table.
        name: The index.
        contents: What it holds, as one value: equal for two indexes that hold the same.
        keeps_constraint: Whether a constraint or replication needs it.
        valid: Whether its build was finished.
        tuples_read: Entries that scans have returned.
        vector: The state of a vector index, or None for another one.
    """

    schema: str
    table: str
    name: str
    contents: object
    keeps_constraint: bool
    valid: bool
    tuples_read: int
    vector: IndexState | None = None


@dataclass(frozen=True, slots=True)
class SeenFilter:
    """The shape of filters that searches had: columns with operators, and how often."""

    schema: str
    table: str
    parts: tuple[tuple[str, str], ...]
    searches: int


@dataclass(frozen=True, slots=True)
class SeenStatement:
    """A statement that others ran: its text without constants, and how often."""

    text: str
    calls: int


@dataclass(frozen=True, slots=True, eq=False)
class Health:
    """All that the rules are applied to.

    Attributes:
        server: The server and the database.
        tables: Tables with vectors.
        columns: Their vector columns.
        indexes: Their indexes.
        filters: Shapes of filters that were recorded.
        statements: Statements with a distance in them that the server remembers.
        distances: Distances that somebody declares.
        pooling: What stands between client and server.
    """

    server: ServerHealth
    tables: tuple[TableHealth, ...]
    columns: tuple[ColumnHealth, ...]
    indexes: tuple[IndexHealth, ...]
    filters: tuple[SeenFilter, ...] = ()
    statements: tuple[SeenStatement, ...] = ()
    distances: tuple[UsedDistance, ...] = ()
    pooling: Pooling = Pooling()
