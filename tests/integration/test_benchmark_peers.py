"""The other engines of the benchmarks, where they are installed (extra ``bench-peers``)."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.filters.data import generated
from benchmarks.filters.grid import Cell, Comparison, make_cells
from benchmarks.filters.truth import find_truth, judge
from benchmarks.peers.__main__ import PEERS

_QUERIES = 3


# What other libraries warn of is not ours to change.
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("peer", PEERS)
def test_an_engine_understands_the_filters_of_the_cells(peer: str, tmp_path: Path) -> None:
    """Every way to search returns nearest rows that pass, for numbers, texts, ranges, several fields and no filter."""
    module, name, package = PEERS[peer]
    pytest.importorskip({"qdrant-edge-py": "qdrant_edge", "faiss-cpu": "faiss"}.get(package, package))
    data = generated(400, _QUERIES, dimensions=8)
    cells = [cell for cell in make_cells(data) if cell.name.startswith(("100%", "50%", "10%"))]
    (half,) = (cell for cell in cells if cell.name == "50% uncorrelated")
    price = data.columns["price"]
    bounds = (Comparison(price, ">=", price.rows[:_QUERIES] // 2), Comparison(price, "<", price.rows[:_QUERIES] + 150))
    cells.append(Cell(data.name, "several", half.comparisons + bounds, 20.0))
    engine = getattr(import_module(f"benchmarks.peers.{module}"), name)()

    engine.load(data, tmp_path)
    ways = {way: [made.prepare(cell) for cell in cells] for way, made in engine.contenders().items()}
    answers = {way: [[search(query) for query in range(_QUERIES)] for search in made] for way, made in ways.items()}
    engine.close()

    for by_cell in answers.values():
        for cell, found in zip(cells, by_cell, strict=True):
            ids = [[row[0] for row in answer] for answer in found]
            quality = judge(data, cell, find_truth(data, cell, _QUERIES), ids)
            # Far from the query a graph alone finds little, which is what the benchmark shows.
            assert quality.recall > 0.9 or "anti" in cell.name, cell.name
