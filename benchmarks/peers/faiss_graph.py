"""Faiss: an HNSW graph with a selector. It stores no columns, so NumPy compares them, within the time that is measured."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np

from benchmarks.data import Vectors
from benchmarks.filters.data import FilterData
from benchmarks.filters.grid import Cell, passing_rows
from benchmarks.filters.strategies import Contender
from benchmarks.measure import Search
from benchmarks.peers.engine import EF_SEARCH
from benchmarks.schema import EF_CONSTRUCTION, M

__all__ = ["Faiss"]


class Faiss:
    """One graph, written to a file."""

    def load(self, data: FilterData, folder: Path) -> None:
        """Build the graph, and write it with the columns."""
        self._data = data
        # Cosine distance orders as the Euclidean distance of unit vectors does.
        self._index = faiss.IndexHNSWFlat(data.dimensions, M)
        self._index.hnsw.efConstruction = EF_CONSTRUCTION
        self._index.add(self._directed(data.vectors))
        faiss.write_index(self._index, str(folder / "graph"))
        for column in data.columns.values():
            np.save(folder / f"{column.name}.npy", column.rows)

    def contenders(self) -> dict[str, Contender]:
        """Return its search."""
        return {"faiss": Contender(self._prepare)}

    def close(self) -> None:
        """Let go of the graph."""
        del self._index

    def _prepare(self, cell: Cell) -> Search:
        queries, count = self._directed(self._data.queries), len(self._data.vectors)

        def search(query: int) -> list[tuple[int]]:
            parameters = faiss.SearchParametersHNSW(efSearch=EF_SEARCH)
            if cell.comparisons:
                bits = np.packbits(passing_rows(cell, query, count), bitorder="little")
                parameters.sel = faiss.IDSelectorBitmap(count, faiss.swig_ptr(bits))
            _, found = self._index.search(queries[query : query + 1], 10, params=parameters)
            return [(id_,) for id_ in found[0].tolist() if id_ >= 0]

        return search

    def _directed(self, vectors: Vectors) -> Vectors:
        if self._data.distance == "l2":
            return vectors
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
