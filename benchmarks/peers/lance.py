"""LanceDB in process, with an HNSW index over full vectors and a scalar index on every column."""

from __future__ import annotations

from pathlib import Path

import lancedb
import pyarrow as pa
from lancedb.index import Bitmap, BTree, HnswFlat

from benchmarks.filters.data import FilterData
from benchmarks.filters.grid import Cell
from benchmarks.filters.strategies import Contender
from benchmarks.measure import Search
from benchmarks.peers.engine import EF_SEARCH
from benchmarks.schema import EF_CONSTRUCTION, M

__all__ = ["Lance"]

# Its manual recommends bitmaps for columns of up to some hundred values.
_MOST_BITMAP_VALUES = 1_000


class Lance:
    """One table. Filters are applied before the search, as by default."""

    def load(self, data: FilterData, folder: Path) -> None:
        """Make the table and its indexes."""
        self._data = data
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(data.vectors.ravel()), data.dimensions)
        held = {column.name: pa.array(column.values()) for column in data.columns.values()}
        rows = pa.table({"id": pa.array(range(len(data.vectors))), **held, "vector": vectors})
        self._table = lancedb.connect(folder).create_table("item", rows)
        self._table.create_index(
            "vector",
            config=HnswFlat(distance_type=data.distance, num_partitions=1, m=M, ef_construction=EF_CONSTRUCTION),
        )
        for column in data.columns.values():
            few = int(column.rows.max()) < _MOST_BITMAP_VALUES
            self._table.create_index(column.name, config=Bitmap() if few else BTree())
        self._table.optimize()

    def contenders(self) -> dict[str, Contender]:
        """Return its search."""
        return {"lancedb": Contender(self._prepare)}

    def close(self) -> None:
        """Let go of the table."""
        del self._table

    def _prepare(self, cell: Cell) -> Search:
        distance = self._data.distance

        def search(query: int) -> list[tuple[int]]:
            asked = self._table.search(self._data.queries[query]).distance_type(distance).ef(EF_SEARCH)
            if condition := _condition(cell, query):
                asked = asked.where(condition)
            found = asked.select(["id", "_distance"]).limit(10).to_arrow()
            return [(id_,) for id_ in found["id"].to_pylist()]

        return search


def _condition(cell: Cell, query: int) -> str:
    """Return the condition in its SQL; the values are numbers, and texts made of a letter and digits."""
    comparisons = []
    for comparison in cell.comparisons:
        value = comparison.value(query)
        literal = f"'{value}'" if isinstance(value, str) else str(value)
        comparisons.append(f"{comparison.column.name} {comparison.operator} {literal}")
    return " AND ".join(comparisons)
