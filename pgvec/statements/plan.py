"""What is asked of a search, and how it is to be answered: the two values that decide the text of its statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect

from pgvec.model import CompactForm, IndexMethod, Target, Term, VectorIndex, VectorType
from pgvec.orm.column_types import find_embedding
from pgvec.orm.embedding import Embedding

__all__ = [
    "DEFAULT_EF_SEARCH",
    "LARGEST_EF_SEARCH",
    "Form",
    "SearchPlan",
    "SearchShape",
    "attributes",
    "embedding_of",
    "oversampling",
    "own_tables",
    "relation_text",
    "target_table",
]

DEFAULT_EF_SEARCH = 40
LARGEST_EF_SEARCH = 1_000
_names = PGDialect(paramstyle="named").identifier_preparer  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class SearchShape:
    """What is asked for, beside target and filter, as far as it decides the text of the statement.

    Attributes:
        limit: Most rows to return.
        offset: Rows to pass over first.
        exact: Compare every row instead of asking the index.
        bounded: Whether ``max_distance`` is given.
        ef_search: ``hnsw.ef_search`` for this search, or None to leave it to the planner.
        by_record: Whether the query is a stored record, named by its key, instead of a vector.
        passed: For a page after the first: rows of the pages before it, rounded up; 0 for the first page.
        many: Whether many query vectors are asked at once.
    """

    limit: int
    offset: int = 0
    exact: bool = False
    bounded: bool = False
    ef_search: int | None = None
    by_record: bool = False
    passed: int = 0
    many: bool = False

    @property
    def wanted(self) -> int:
        """How many rows have to be found."""
        return self.limit + self.offset

    @property
    def reach(self) -> int:
        """How many of the nearest rows an index has to walk over."""
        return self.wanted + self.passed


class Form(StrEnum):
    """The forms of the statement."""

    EXACT = "exact"
    """Compares every row that passes the condition."""
    INDEX = "index"
    """Asks the index; where it finds too few rows, compares every row that passes the condition."""
    COUNTED = "counted"
    """Compares what passes the condition as long as that is few rows; where it is more, goes on as INDEX does."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How a search is answered.

    Attributes:
        form: The form of the statement.
        index: The index to ask, or None where the form needs none or the planner knows of none.
        predicate: What the index's predicate says, for a partial index that the condition implies.
        cap: Most rows to compare before the index is asked, in the form COUNTED.
        ef_search: ``hnsw.ef_search`` to set, or None to leave the server's.
        ef_is_floor: Whether a larger ``ef_search`` that is set already is kept.
        budget: ``hnsw.max_scan_tuples`` to set, or None to leave the server's.
        oversampling: Candidates to fetch for each row wanted, where the index holds a smaller form of the vectors.
        hides_filter: Whether the vector index is the only one that may find rows for its branch; not where partitions have
            to be told apart by the filter.
        compact: A smaller form of the vectors by which to choose the rows that are compared exactly, or None.
        pool: How many rows are so chosen.
        matching: Estimated rows that pass the condition, from and to; None where nothing is known.
        reasons: Why it is done so, in sentences.
        warnings: What the planner noticed of the database, in sentences.
    """

    form: Form
    index: VectorIndex | None = None
    predicate: tuple[Term, ...] = ()
    cap: int | None = None
    ef_search: int | None = None
    ef_is_floor: bool = True
    budget: int | None = None
    oversampling: int = 1
    hides_filter: bool = True
    compact: CompactForm | None = None
    pool: int = 0
    matching: tuple[float, float] | None = field(default=None, compare=False)
    reasons: tuple[str, ...] = field(default=(), compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def __hash__(self) -> int:
        # A plan is part of the key of every prepared statement; these tell nearly all of one target apart.
        return hash((self.cap, self.ef_search, self.budget, self.pool))

    @property
    def is_ivfflat(self) -> bool:
        """Whether the index to ask is of the method IVFFlat."""
        return self.index is not None and self.index.method is IndexMethod.IVFFLAT

    @property
    def holds_whole_vectors(self) -> bool:
        """Whether the index's own order is that of the distances."""
        return self.index is None or (self.index.quantization is None and self.index.dimensions is None)


def attributes(target: Target, names: tuple[str, ...]) -> list[Any]:
    """Return the named attributes of the model, or columns of the table."""
    if isinstance(target.entity, sa.Table):
        return [target.entity.c[name] for name in names]
    return [getattr(target.entity, name) for name in names]


def embedding_of(target: Target) -> Any:
    """Return the vector column that is searched: the attribute of the model, or the column that took its place."""
    (declared,) = attributes(target, (target.column.attribute,))
    own = declared if isinstance(target.entity, sa.Table) else declared.property.columns[0]
    if own.name == target.column.name:
        return declared
    column = target.column
    assert column.dimensions is not None, "a column that takes the place of another was made with its dimensions"
    schema = getattr(find_embedding(own.type), "extension_schema", None)
    moved = Embedding(column.dimensions, target.distance, column.type, extension_schema=schema)
    return sa.column(column.name, moved, _selectable=own.table)


def target_table(target: Target) -> Any:
    """Return the table that the vector column of a target belongs to."""
    if isinstance(target.entity, sa.Table):
        return target.entity
    return sa.inspect(target.entity).attrs[target.column.attribute].columns[0].table


def own_tables(target: Target) -> frozenset[Any]:
    """Return the tables that the target's records are made of."""
    if isinstance(target.entity, sa.Table):
        return frozenset({target.entity})
    return frozenset(sa.inspect(target.entity).tables)


def relation_text(name: str, schema: str | None) -> str:
    """Return the name of a table as SQL writes it, to be bound where a text is cast to ``regclass``.

    A dialect that writes its parameters with % would double the percent signs of names.
    """
    return ".".join(_names.quote_identifier(part) for part in (schema, name) if part)


def oversampling(index: VectorIndex | None) -> int:
    """How many candidates to fetch for each row wanted, when the index holds a smaller form of the vectors."""
    if index is None:
        return 1
    if index.quantization is VectorType.BIT:
        return 20
    if index.dimensions is not None:
        return 5
    return 2 if index.quantization is VectorType.HALFVEC else 1
