"""The rules by which advice is given: a pure function of what is known of a table and of the filters on it.

The costs are those of the planner. A partial index is worth its size where the rows of one value are too many to be compared
(several times what a graph of these rows alone costs) and too few for the graph of all rows, which has to pass over the
others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pgvec.model import (
    Advice,
    AdviceKind,
    ColumnStatistics,
    FilterShape,
    IndexMethod,
    TableFacts,
    TableState,
    Target,
    VectorIndex,
    VectorType,
)
from pgvec.statements import advice_sql

__all__ = ["advise"]

_WANTED = 10
_VISITS = 290 + 2.8 * _WANTED
# How many times the cost of its own graph the comparison of a value's rows has to be, and the largest share of a value for
# which the graph of all rows is a detour.
_WORTHWHILE = 3.0
_LARGEST_SHARE = 0.3
_MOST_VALUES = 20
_MOST_COLUMNS = 5
_TOAST_THRESHOLD = 2_000
_MOST_DISTINCT = 1_000
_POINTER_BYTES = 18
_PAGE_BYTES = 8_000
_ENTRY_BYTES = 20
_BUILD_BYTES = 400
_MEGABYTE = 1 << 20
_MOST_MEMORY = 8 << 30
_BYTES = {VectorType.VECTOR: 4.0, VectorType.HALFVEC: 2.0, VectorType.SPARSEVEC: 4.0, VectorType.BIT: 0.125}
_EQUALITIES = frozenset({"=", "in", "is null"})
_RANGES = frozenset({"<", "<=", ">", ">="})
_ORDERED = frozenset(
    {"int2", "int4", "int8", "numeric", "float4", "float8", "text", "varchar", "bpchar", "uuid", "date", "timestamp"}
    | {"timestamptz", "bool", "time", "timetz", "interval", "inet", "oid", "citext"}
)


def advise(target: Target, facts: TableFacts, state: TableState, shapes: Sequence[FilterShape]) -> tuple[Advice, ...]:
    """Return proposals, in the order in which they are to be followed.

    Args:
        target: What is searched.
        facts: What the planner knows of the table.
        state: How it is stored and indexed.
        shapes: The filters that it is searched with; without any, the columns that have an index are taken for filters.
    """
    return tuple(_Adviser(target, facts, state, shapes).advice())


class _Adviser:
    def __init__(self, target: Target, facts: TableFacts, state: TableState, shapes: Sequence[FilterShape]) -> None:
        self.target = target
        self.facts = facts
        self.state = state
        self.shapes = [shape for shape in map(self._known, shapes) if shape.parts] or [
            FilterShape(((column, "="),)) for column in sorted(facts.indexed) if column in facts.columns
        ]
        self.rows = facts.rows or 0.0
        self.dimensions = target.column.dimensions or 384
        self.vector_bytes = 8 + self.dimensions * _BYTES[target.column.type]

    def advice(self) -> Iterator[Advice]:
        if self.facts.rows is None or not self.facts.columns:
            yield Advice(
                AdviceKind.ANALYZE,
                f"Gather statistics of {self.state.name}",
                "without them neither pgvec nor Postgres knows how many rows a filter passes, and no other advice can be given",
                (advice_sql.analyze(self.state),),
            )
            return
        yield from self._storage()
        yield from self._statistics()
        partial = list(self._partial_indexes())
        yield from self._memory(partial)
        yield from self._indexes()
        yield from partial

    def _known(self, shape: FilterShape) -> FilterShape:
        parts = tuple(part for part in shape.parts if part[0] in self.state.types)
        return FilterShape(parts, shape.searches)

    # Storage, statistics, memory

    def _storage(self) -> Iterator[Advice]:
        statistics = self.facts.columns.get(self.target.column.name)
        others = sum(column.width for name, column in self.facts.columns.items() if name != self.target.column.name)
        fits = self.vector_bytes + others < _PAGE_BYTES
        is_toasted = statistics is not None and statistics.width <= _POINTER_BYTES < self.vector_bytes
        if not (self.state.is_plain and self.state.storage != "p" and is_toasted and fits and self.rows):
            return
        costs = self.facts.costs
        kilobytes = self.vector_bytes / 1024
        apart = costs.compare(self.dimensions, inline=False, kilobytes=kilobytes)
        inside = costs.compare(self.dimensions, inline=True, kilobytes=kilobytes)
        yield Advice(
            AdviceKind.STORAGE,
            f"Keep {self.target.column.name} inside of the pages of the table",
            f"a vector has {self.vector_bytes:,.0f} bytes and is stored apart, so to compare it costs about {apart:.1f} us instead of "
            f"{inside:.1f} us; it fits into a page. VACUUM FULL rewrites the rows that are there, and locks the table meanwhile: "
            "without it, only rows that are written from now on are stored so",
            advice_sql.plain_storage(self.state, self.target.column.name),
            round(self.rows * _PAGE_BYTES / max(1, _PAGE_BYTES // (self.vector_bytes + others))),
        )

    def _statistics(self) -> Iterator[Advice]:
        seen = {frozenset(columns) for columns in self.state.statistics}
        for shape in self.shapes:
            columns = tuple(
                sorted(
                    {name for name, operator in shape.parts if operator in _EQUALITIES and self._has_few_values(name)}
                )
            )
            if len(columns) < 2 or len(columns) > 8 or any(set(columns) <= known for known in seen):
                continue
            seen.add(frozenset(columns))
            yield Advice(
                AdviceKind.STATISTICS,
                f"Gather statistics of {', '.join(columns)} together",
                "Postgres multiplies the shares of columns that are filtered together as if they had nothing to do with each "
                "other; with these statistics it knows how far they have" + _counted(shape),
                advice_sql.statistics(self.state, columns),
            )

    def _memory(self, partial: list[Advice]) -> Iterator[Advice]:
        largest = max((advice.bytes or 0 for advice in partial), default=0)
        setting, present = self.state.build_memory
        if largest > present:
            megabytes = -(-min(largest * 5 // 4, _MOST_MEMORY) // _MEGABYTE)
            yield Advice(
                AdviceKind.MEMORY,
                "Give the builds enough memory",
                f"a graph that outgrows maintenance_work_mem ({setting}) is built several times slower, and the largest one "
                f"proposed here needs about {largest / _MEGABYTE:,.0f} MB; the setting is for this session only",
                (advice_sql.set_memory(megabytes),),
            )
        vectors = sum(int(index["bytes"]) for index in self.state.indexes if index["method"] in {"hnsw", "ivfflat"})
        setting, present = self.state.shared_buffers
        if vectors > present:
            yield Advice(
                AdviceKind.MEMORY,
                "Raise shared_buffers",
                f"the vector indexes of this table have {vectors / _MEGABYTE:,.0f} MB and shared_buffers is {setting}: a graph is "
                "read in no order, so that every search waits for what is not in memory. It is set in postgresql.conf, up to "
                "about 40 % of the machine's memory, and takes a restart",
            )

    # Indexes for filters

    def _indexes(self) -> Iterator[Advice]:
        made: list[tuple[str, ...]] = []
        for shape in sorted(self.shapes, key=lambda shape: -len(shape.columns)):
            yield from self._containment(shape)
            columns = self._leading(shape)
            if not columns or self._is_served(columns, made) or not self._narrows(columns):
                continue
            made.append(columns)
            yield self._index(shape, columns)

    def _leading(self, shape: FilterShape) -> tuple[str, ...]:
        """The columns of a btree for a filter: those of equalities first, then those of ranges."""
        by_kind = (_EQUALITIES, _RANGES)
        ordered = [name for kind in by_kind for name, operator in shape.parts if operator in kind]
        usable = (name for name in dict.fromkeys(ordered) if self._is_ordered(name))
        # A range ends what a btree can skip to, so the columns that narrow most go before it.
        return tuple(usable)[:_MOST_COLUMNS]

    def _index(self, shape: FilterShape, columns: tuple[str, ...]) -> Advice:
        together = len(columns) > 1
        reason = (
            "no index has these columns together, so Postgres reads the rows of each of them and keeps those in common"
            if together
            else "no index finds the rows that pass a filter on it, so they are found by reading the table"
        )
        share = self._share(columns)
        return Advice(
            AdviceKind.INDEX,
            f"Index {', '.join(columns)}" + (" together" if together else ""),
            f"{reason}; a filter on {'them' if together else 'it'} passes about {share:.2%} of {self.rows:,.0f} rows"
            + _counted(shape),
            (advice_sql.plain_index(self.state, columns),),
            self._index_bytes(columns),
        )

    def _containment(self, shape: FilterShape) -> Iterator[Advice]:
        for name, operator in shape.parts:
            type_ = self.state.types[name]
            as_json = type_ == "jsonb"
            if operator != "other" or name in self.facts.indexed or not (as_json or type_.endswith("[]")):
                continue
            yield Advice(
                AdviceKind.INDEX,
                f"Index what {name} contains",
                "no index finds the rows whose value contains what a filter names, so they are found by reading the table"
                + _counted(shape),
                (advice_sql.gin_index(self.state, name, as_json=as_json),),
            )

    def _is_served(self, columns: tuple[str, ...], made: list[tuple[str, ...]]) -> bool:
        """Whether an index begins with all of the columns, in whatever order."""
        present = [tuple(index["columns"]) for index in self.state.indexes if not index["partial"]] + made
        return any(set(index[: len(columns)]) == set(columns) for index in present)

    def _narrows(self, columns: tuple[str, ...]) -> bool:
        """Whether the columns are worth an index: together they pass few rows, and more than one of them tells rows apart."""
        varied = [name for name in columns if self._is_varied(name)]
        return len(varied) == len(columns) and self._share(columns) <= _LARGEST_SHARE

    def _share(self, columns: tuple[str, ...]) -> float:
        share = 1.0
        for name in columns:
            statistics = self.facts.columns.get(name)
            if statistics is not None:
                share *= _typical_share(statistics, self.rows)
        return share

    def _is_varied(self, name: str) -> bool:
        statistics = self.facts.columns.get(name)
        return statistics is None or statistics.distinct not in (0.0, 1.0) or statistics.null_fraction > 0

    def _has_few_values(self, name: str) -> bool:
        """Whether statistics of several columns can tell something of this one."""
        statistics = self.facts.columns.get(name)
        return statistics is not None and 1.0 < statistics.distinct <= _MOST_DISTINCT

    def _is_ordered(self, name: str) -> bool:
        statistics = self.facts.columns.get(name)
        return self.state.types[name] in _ORDERED or (statistics is not None and statistics.type == "enum")

    def _index_bytes(self, columns: tuple[str, ...]) -> int:
        widths = sum(self.facts.columns[name].width for name in columns if name in self.facts.columns)
        return round(self.rows * (_ENTRY_BYTES + widths) * 1.1)

    # Partial vector indexes

    def _partial_indexes(self) -> Iterator[Advice]:
        like = self._whole_index()
        has = {
            (term.column, value)
            for index in self.facts.indexes
            if index.valid and not index.problem and index.predicate and len(index.predicate) == 1
            for term in index.predicate
            if term.operator == "="
            for value in term.values
        }
        for column, searches in self._columns_alone().items():
            statistics = self.facts.columns.get(column)
            for value, share in _hot_values(statistics):
                assert statistics is not None
                named = {"t": "true", "f": "false"}.get(value, value) if statistics.type == "bool" else value
                if (column, named) not in has and self._is_worth_a_graph(share):
                    yield self._partial_index(like, column, value, share, searches)

    def _columns_alone(self) -> Counter[str]:
        """Columns by whose equality alone a filter chooses, with the number of such searches."""
        alone: Counter[str] = Counter()
        for shape in self.shapes:
            if len(shape.parts) == 1 and shape.parts[0][1] in {"=", "in"}:
                alone[shape.parts[0][0]] += shape.searches or 0
        return alone

    def _whole_index(self) -> VectorIndex | None:
        usable = (
            index.index for index in self.facts.indexes if index.valid and not index.problem and not index.predicate
        )
        return next((index for index in usable if index is not None and index.method is IndexMethod.HNSW), None)

    def _is_worth_a_graph(self, share: float) -> bool:
        compare, visited = self._compare_cost(), self.facts.costs.visited(self.dimensions)
        return share <= _LARGEST_SHARE and share * self.rows * compare > _WORTHWHILE * _VISITS * visited

    def _compare_cost(self) -> float:
        statistics = self.facts.columns.get(self.target.column.name)
        inline = self.vector_bytes < _TOAST_THRESHOLD if statistics is None else statistics.width > _POINTER_BYTES
        return self.facts.costs.compare(self.dimensions, inline=inline, kilobytes=self.vector_bytes / 1024)

    def _partial_index(self, like: VectorIndex | None, column: str, value: str, share: float, searches: int) -> Advice:
        statistics = self.facts.columns[column]
        rows = share * self.rows
        shown = value if len(value) <= 40 else value[:37] + "..."
        alone = _VISITS * self.facts.costs.visited(self.dimensions) / 1_000
        text = advice_sql.partial_hnsw(self.state, self.target, like, column, (value, statistics.type))
        return Advice(
            AdviceKind.PARTIAL_INDEX,
            f"Index the vectors of {column} = {shown}",
            f"about {rows:,.0f} rows ({share:.1%}) have it: to compare them takes about {rows * self._compare_cost() / 1_000:.1f} ms, "
            f"the graph of all rows has to pass over the others where they are nearer, and a graph of these alone answers in "
            f"about {alone:.1f} ms" + (f"; filtered {searches:,} times" if searches else ""),
            (text,),
            round(rows * self._bytes_of_row(like)),
        )

    def _bytes_of_row(self, like: VectorIndex | None) -> float:
        """Bytes of a row in a graph, as an index that is there has them, else by rule of thumb."""
        for index in self.state.indexes:
            if like is not None and index["name"] == like.name and index["rows"] > 0:
                return float(index["bytes"] / index["rows"])
        return self.vector_bytes + _BUILD_BYTES


def _hot_values(statistics: ColumnStatistics | None) -> list[tuple[str, float]]:
    if statistics is None:
        return []
    return sorted(statistics.common.items(), key=lambda found: -found[1])[:_MOST_VALUES]


def _typical_share(statistics: ColumnStatistics, rows: float) -> float:
    """The share of rows of a value of the column; of a column with a value for each row, that of a range of values."""
    distinct = statistics.distinct if statistics.distinct >= 0 else -statistics.distinct * rows
    if statistics.common:
        return max(statistics.common.values())
    return 0.1 if distinct > 1_000 else 1.0 / max(distinct, 1.0)


def _counted(shape: FilterShape) -> str:
    return f"; filtered so {shape.searches:,} times" if shape.searches else ""
