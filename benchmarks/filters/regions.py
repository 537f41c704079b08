"""Numbers for rows by where their vectors lie: a balanced tree of cuts along the directions in which the vectors vary most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Vectors

__all__ = ["Regions", "cut_into_regions"]

Numbers = NDArray[np.int64]

_ROWS_FOR_DIRECTION = 4_000
_POWER_ITERATIONS = 8


@dataclass(frozen=True, slots=True)
class Regions:
    """One level of the tree: so many regions of equally many rows.

    Attributes:
        count: How many regions there are.
        rows: The region of each row.
        near: The region that each query falls into.
        far: For each query a region that lies far from it: one of the farthest tenth, drawn at random.
    """

    count: int
    rows: Numbers
    near: Numbers
    far: Numbers


@dataclass(frozen=True, slots=True)
class _Node:
    number: int
    rows: Numbers
    queries: Numbers


def cut_into_regions(vectors: Vectors, queries: Vectors, parts: tuple[int, ...], seed: int) -> list[Regions]:
    """Cut the rows into ``parts[0]`` regions, each of those into ``parts[1]``, and so on; return every level.

    Args:
        vectors: The rows.
        queries: They fall into regions as rows do, without counting for the cuts.
        parts: How many parts each region of a level is cut into.
        seed: Decides what is drawn at random.
    """
    random = np.random.default_rng(seed)
    nodes = [_Node(0, np.arange(len(vectors)), np.arange(len(queries)))]
    levels = []
    for count in parts:
        nodes = [part for node in nodes for part in _cut(node, vectors, queries, count, random)]
        levels.append(_level(nodes, vectors, queries, random))
    return levels


def _cut(node: _Node, vectors: Vectors, queries: Vectors, count: int, random: np.random.Generator) -> Iterator[_Node]:
    """Cut a region into parts of equally many rows, at right angles to its main direction."""
    direction = _main_direction(vectors[node.rows], random)
    along = vectors[node.rows] @ direction
    parts = np.array_split(np.argsort(along, kind="stable"), count)
    # A part that is empty, because there are fewer rows than parts, begins where the one before it ended.
    starts = np.maximum.accumulate([along[part[0]] if len(part) else -np.inf for part in parts])
    falls = np.searchsorted(starts[1:], queries[node.queries] @ direction, side="right")
    for number, part in enumerate(parts):
        yield _Node(node.number * count + number, node.rows[part], node.queries[falls == number])


def _main_direction(vectors: Vectors, random: np.random.Generator) -> Vectors:
    if not len(vectors):  # fewer rows than regions
        return np.zeros(vectors.shape[1], dtype=np.float32)
    sample = vectors
    if len(vectors) > _ROWS_FOR_DIRECTION:
        sample = vectors[random.choice(len(vectors), _ROWS_FOR_DIRECTION, replace=False)]
    centered = sample - sample.mean(axis=0)
    direction = random.standard_normal((vectors.shape[1],), dtype=np.float32)
    for _ in range(_POWER_ITERATIONS):
        direction = (centered @ direction) @ centered
        direction /= max(float(np.linalg.norm(direction)), 1e-12)
    return direction


def _level(nodes: list[_Node], vectors: Vectors, queries: Vectors, random: np.random.Generator) -> Regions:
    rows, near = np.empty(len(vectors), dtype=np.int64), np.empty(len(queries), dtype=np.int64)
    centers = np.zeros((len(nodes), vectors.shape[1]), dtype=np.float32)
    for node in nodes:
        rows[node.rows] = node.number
        near[node.queries] = node.number
        centers[node.number] = vectors[node.rows].mean(axis=0) if len(node.rows) else np.nan
    return Regions(len(nodes), rows, near, _far(centers, queries, random))


def _far(centers: Vectors, queries: Vectors, random: np.random.Generator) -> Numbers:
    squared = np.einsum("ij,ij->i", centers, centers)
    distances = np.nan_to_num(squared - 2 * (queries @ centers.T), nan=-np.inf)
    tenth = max(1, len(centers) // 10)
    farthest = np.argpartition(-distances, tenth - 1, axis=1)[:, :tenth]
    drawn = random.integers(tenth, size=len(queries))
    return np.asarray(farthest[np.arange(len(queries)), drawn], dtype=np.int64)
