"""Qdrant's engine in process (``qdrant-edge-py``), with and without ACORN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qdrant_edge as qdrant

from benchmarks.filters.data import FilterData
from benchmarks.filters.grid import Cell
from benchmarks.filters.strategies import Contender
from benchmarks.measure import Search
from benchmarks.peers.engine import EF_SEARCH
from benchmarks.schema import EF_CONSTRUCTION, M

__all__ = ["Qdrant"]

_BLOCK = 1_000
# Kilobytes of vectors below which it compares all: its own default.
_FULL_SCAN_THRESHOLD = 10_000
_DISTANCES = {"l2": qdrant.Distance.Euclid, "cosine": qdrant.Distance.Cosine}


class Qdrant:
    """One shard, with an index on every column, optimised until nothing is left to do."""

    def load(self, data: FilterData, folder: Path) -> None:
        """Make the shard. Columns are indexed first, so that the graph gets its links for them."""
        self._data = data
        self._shard = qdrant.EdgeShard.create(str(folder), _config(data))
        for column in data.columns.values():
            kind = qdrant.PayloadSchemaType.Keyword if column.type == "text" else qdrant.PayloadSchemaType.Integer
            self._shard.update(qdrant.UpdateOperation.create_field_index(column.name, kind))
        values = {column.name: column.values() for column in data.columns.values()}
        for start in range(0, len(data.vectors), _BLOCK):
            block = range(start, min(start + _BLOCK, len(data.vectors)))
            points = [
                qdrant.Point(row, data.vectors[row].tolist(), {name: held[row] for name, held in values.items()})
                for row in block
            ]
            self._shard.update(qdrant.UpdateOperation.upsert_points(points))
        self._shard.optimize()
        self._shard.flush()

    def contenders(self) -> dict[str, Contender]:
        """Return the search as it is by default, and with ACORN."""
        return {"qdrant": self._contender(acorn=False), "qdrant_acorn": self._contender(acorn=True)}

    def close(self) -> None:
        """Close the shard."""
        self._shard.close()

    def _contender(self, *, acorn: bool) -> Contender:
        parameters = qdrant.SearchParams(hnsw_ef=EF_SEARCH, acorn=qdrant.AcornSearchParams(enable=acorn))

        def prepare(cell: Cell) -> Search:
            vectors = [query.tolist() for query in self._data.queries]

            def search(query: int) -> list[tuple[int]]:
                request = qdrant.QueryRequest(
                    limit=10,
                    query=qdrant.Query.Nearest(vectors[query]),
                    filter=_filter(cell, query),
                    params=parameters,
                )
                return [(point.id,) for point in self._shard.query(request)]

            return search

        return Contender(prepare)


def _config(data: FilterData) -> Any:
    return qdrant.EdgeConfig(
        vectors=qdrant.EdgeVectorParams(size=data.dimensions, distance=_DISTANCES[data.distance]),
        hnsw_config=qdrant.HnswIndexConfig(m=M, ef_construct=EF_CONSTRUCTION, full_scan_threshold=_FULL_SCAN_THRESHOLD),
        optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1),
    )


def _filter(cell: Cell, query: int) -> Any:
    if not cell.comparisons:
        return None
    return qdrant.Filter(
        must=[
            _condition(comparison.column.name, comparison.operator, comparison.value(query))
            for comparison in cell.comparisons
        ]
    )


def _condition(name: str, operator: str, value: int | str) -> Any:
    if operator == "=":
        return qdrant.FieldCondition(key=name, match=qdrant.MatchValue(value))
    return qdrant.FieldCondition(
        key=name, range=qdrant.RangeFloat(gte=float(value)) if operator == ">=" else qdrant.RangeFloat(lt=float(value))
    )
