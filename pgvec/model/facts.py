"""What is known of one table at a moment: size, statistics, indexes, and what work on it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pgvec.model.column_model import ColumnModel, Replacement
from pgvec.model.target import VectorIndex
from pgvec.model.vector_type import VectorType

__all__ = [
    "CatalogIndex",
    "ColumnStatistics",
    "CompactForm",
    "Costs",
    "Partition",
    "TableFacts",
    "Term",
    "TunedSetting",
]


@dataclass(frozen=True, slots=True)
class Term:
    """One condition of an index predicate or a partition bound; several of them hold together.

    Attributes:
        column: Name of the column.
        operator: ``=``, ``<``, ``<=``, ``>``, ``>=``, ``in``, ``is null`` or ``is not null``.
        values: The constants, as Postgres writes them; more than one only for ``in``.
        quoted: Whether the constants are written as texts.
        textual: Whether the column is cast to text for the comparison.
    """

    column: str
    operator: str
    values: tuple[str, ...] = ()
    quoted: bool = False
    textual: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ColumnStatistics:
    """What ANALYZE found in one column, as ``pg_stats`` tells it.

    Attributes:
        type: Name of the column's type in ``pg_type``, or ``enum``.
        null_fraction: Share of rows that are NULL.
        distinct: Number of distinct values, or the negative of their share of the rows.
        width: Average bytes of a value in the row itself; a value stored out of line counts as its pointer.
        common: Share of rows of each of the most common values, by the text of the value.
        common_numbers: The same with the values as numbers, moments in seconds since 1970; empty where they are none.
        bounds: Limits between groups of equally many of the other values, as such numbers, in order.
    """

    type: str
    null_fraction: float
    distinct: float
    width: int
    common: Mapping[str, float]
    common_numbers: tuple[tuple[float, float], ...]
    bounds: tuple[float, ...]

    @property
    def others(self) -> float:
        """Share of rows whose value is neither NULL nor one of the most common."""
        return max(0.0, 1.0 - self.null_fraction - sum(self.common.values()))


@dataclass(frozen=True, slots=True)
class CatalogIndex:
    """A vector index as it stands in the database.

    Attributes:
        name: Its name.
        index: What pgvec can use of it, or None where a query cannot be made to say the same.
        valid: False for what an interrupted build left behind.
        rows: Rows that it holds, where known.
        predicate: For a partial index, what holds of every row in it; None where pgvec cannot read that, empty for others.
        problem: Why it cannot serve searches of this target, or empty.
    """

    name: str
    index: VectorIndex | None
    valid: bool
    rows: float | None
    predicate: tuple[Term, ...] | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CompactForm:
    """A stored generated column that holds the vectors in a smaller form, inside of an index that a filter is answered from.

    Attributes:
        column: Name of the column.
        type: ``bit`` or ``halfvec``.
        leading: The column by which the index finds rows.
        covered: All columns that the index has, so that a scan of it reads no row of the table.
    """

    column: str
    type: VectorType
    leading: str
    covered: frozenset[str]


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition: what holds of every row in it, and how many rows those are, where known."""

    constraint: tuple[Term, ...]
    rows: float | None


@dataclass(frozen=True, slots=True)
class Costs:
    """What work costs on an installation, in microseconds; ``pgvec calibrate`` measures it.

    The defaults were measured on PostgreSQL 18.6 with pgvector 0.8.6, 60,000 rows of 784 dimensions in memory, one core.

    Attributes:
        page: Reading a page of the heap.
        check: Checking the filter on a row.
        row: Fetching a row of the heap by an index, without its vector.
        dimension: Reading and comparing one dimension of a vector.
        detoast: Fetching a kilobyte of a vector that is stored out of line.
        visit: Visiting an element of an HNSW graph.
        visit_dimension: What each dimension adds to a visit.
    """

    page: float = 0.8
    check: float = 0.25
    row: float = 0.45
    dimension: float = 0.0016
    detoast: float = 1.1
    visit: float = 1.2
    visit_dimension: float = 0.003

    def compare(self, dimensions: int, *, inline: bool, kilobytes: float) -> float:
        """Microseconds that an exact scan spends on one row."""
        return self.row + self.dimension * dimensions + (0.0 if inline else self.detoast * (1 + kilobytes))

    def compare_compact(self, dimensions: int, *, as_bits: bool) -> float:
        """Microseconds that a scan of an index spends on one row with a smaller form of its vector."""
        return self.check + self.dimension * dimensions * (0.1 if as_bits else 0.7)

    def visited(self, dimensions: int) -> float:
        """Microseconds that an index scan spends on each element that counts towards ``hnsw.max_scan_tuples``."""
        return self.visit + self.visit_dimension * dimensions


@dataclass(frozen=True, slots=True)
class TunedSetting:
    """What a tuning run found for one index: the smallest ``ef_search`` that met its target.

    Attributes:
        index: Name of the index.
        filter_class: ``all`` for searches without a filter, else how much the filter passes: ``half``, ``tenth`` or ``rare``.
        target_recall: Recall that was asked for.
        ef_search: What met it.
        recall: Recall that was measured with it.
        limit: Rows that were asked for in the measurement.
    """

    index: str
    filter_class: str
    target_recall: float
    ef_search: int
    recall: float
    limit: int


@dataclass(frozen=True, slots=True, eq=False)
class TableFacts:
    """What the planner knows of a table and one of its vector columns.

    Attributes:
        rows: Estimated number of rows, or None where the table was never analysed.
        pages: Pages of the heap, or None where the table was never analysed.
        columns: Statistics by column name.
        indexed: Names of the columns that lead an index by which rows with a value or in a range are found.
        contained: Names of the columns with an index by which rows that contain something are found.
        is_partitioned: Whether the rows are in partitions or in tables that inherit.
        indexes: Its vector indexes on any column, as the catalog has them.
        compact: Smaller forms of the vectors that indexes for filters bring along.
        partitions: Its partitions, for a partitioned table.
        costs: What work costs here.
        settings: What tuning runs stored for its indexes.
        relation: Postgres schema and name of the table, where they were asked.
        models: Which models filled its columns, as far as that is known.
        replacements: Its columns that are, or were, replaced by columns of other models.
    """

    rows: float | None
    pages: float | None = None
    columns: Mapping[str, ColumnStatistics] = field(default_factory=dict)
    indexed: frozenset[str] = frozenset()
    contained: frozenset[str] = frozenset()
    is_partitioned: bool = False
    indexes: tuple[CatalogIndex, ...] = ()
    compact: tuple[CompactForm, ...] = ()
    partitions: tuple[Partition, ...] = ()
    costs: Costs = Costs()
    settings: tuple[TunedSetting, ...] = ()
    relation: tuple[str, str] | None = None
    models: tuple[ColumnModel, ...] = ()
    replacements: tuple[Replacement, ...] = ()
