"""Chroma in process, on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chromadb
from chromadb.config import Settings

from benchmarks.filters.data import FilterData
from benchmarks.filters.grid import Cell
from benchmarks.filters.strategies import Contender
from benchmarks.measure import Search
from benchmarks.peers.engine import EF_SEARCH
from benchmarks.schema import EF_CONSTRUCTION, M

__all__ = ["Chroma"]

_OPERATORS = {"=": "$eq", ">=": "$gte", "<": "$lt"}


class Chroma:
    """One collection; Chroma indexes all metadata by itself."""

    def load(self, data: FilterData, folder: Path) -> None:
        """Make the collection."""
        self._data = data
        self._client: Any = chromadb.PersistentClient(folder, Settings(anonymized_telemetry=False))
        graph = {
            "space": data.distance,
            "max_neighbors": M,
            "ef_construction": EF_CONSTRUCTION,
            "ef_search": EF_SEARCH,
        }
        self._collection: Any = self._client.create_collection(
            "item", configuration={"hnsw": graph}, embedding_function=None
        )
        values = {column.name: column.values() for column in data.columns.values()}
        block = self._client.get_max_batch_size()
        for start in range(0, len(data.vectors), block):
            rows = range(start, min(start + block, len(data.vectors)))
            self._collection.add(
                ids=[str(row) for row in rows],
                embeddings=data.vectors[rows.start : rows.stop],
                metadatas=[{name: held[row] for name, held in values.items()} for row in rows],
            )

    def contenders(self) -> dict[str, Contender]:
        """Return its search."""
        return {"chromadb": Contender(self._prepare)}

    def close(self) -> None:
        """Let go of the collection."""
        del self._collection, self._client

    def _prepare(self, cell: Cell) -> Search:
        def search(query: int) -> list[tuple[int]]:
            found = self._collection.query(
                query_embeddings=[self._data.queries[query]],
                n_results=10,
                where=_condition(cell, query),
                include=["distances"],
            )
            return [(int(id_),) for id_ in found["ids"][0]]

        return search


def _condition(cell: Cell, query: int) -> dict[str, Any] | None:
    comparisons = [
        {comparison.column.name: {_OPERATORS[comparison.operator]: comparison.value(query)}}
        for comparison in cell.comparisons
    ]
    if len(comparisons) > 1:
        return {"$and": comparisons}
    return comparisons[0] if comparisons else None
