"""What is searched: vectors with typed columns to filter by, some of which follow the vectors and some of which do not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Vectors, read_fashion_mnist
from benchmarks.filters.regions import Regions, cut_into_regions
from benchmarks.search import far_labels

__all__ = ["PARTS", "Column", "FilterData", "fashion_mnist", "generated"]

ColumnType: TypeAlias = Literal["smallint", "integer", "text"]

# Each level cuts those of the one before, so that there are 2, 10, 100, 1,000 and 10,000 regions.
PARTS = (2, 5, 10, 10, 10)
PRICES = 10_000
_TYPES: dict[int, ColumnType] = {2: "smallint", 10: "text", 100: "smallint", 1_000: "smallint", 10_000: "integer"}
_SEED = 41
_LATENT_DIMENSIONS = 24
_CLUSTERS = 200
_CLUSTER_SPREAD = 0.6
_NOISE = 0.02


@dataclass(frozen=True, slots=True)
class Column:
    """A column to filter by.

    Attributes:
        name: Its name.
        type: Its type in Postgres; values of a text are the numbers with a letter before them.
        rows: The number of each row.
    """

    name: str
    type: ColumnType
    rows: NDArray[np.int64]

    def value(self, number: int) -> int | str:
        """Return what stands in the column for a number."""
        return f"c{number}" if self.type == "text" else int(number)

    def values(self) -> list[int | str]:
        """Return what stands in the column, row by row."""
        return [self.value(number) for number in self.rows.tolist()]


@dataclass(frozen=True, slots=True)
class FilterData:
    """Vectors, columns and queries.

    Attributes:
        name: What it is, for the report.
        distance: By what distance it is searched.
        vectors: One row for each record; the id of a record is its position.
        queries: The query vectors, none of them among the records.
        columns: What to filter by, by name.
        regions: The levels of regions, coarse to fine, which the columns ``region_<count>`` hold.
        own_labels: The label that each query would have, where the data have labels.
        far_labels: The label whose records are farthest from each query.
    """

    name: str
    distance: Literal["l2", "cosine"]
    vectors: Vectors
    queries: Vectors
    columns: dict[str, Column]
    regions: list[Regions]
    own_labels: NDArray[np.int64] | None = None
    far_labels: NDArray[np.int64] | None = None

    @property
    def dimensions(self) -> int:
        """Number of dimensions."""
        return int(self.vectors.shape[1])

    def key(self) -> str:
        """Return a short name for what is stored, which changes whenever that changes."""
        digest = hashlib.sha256(f"{self.name} {self.distance} {self.vectors.shape}".encode())
        digest.update(np.ascontiguousarray(self.vectors[::97]).tobytes())
        for column in self.columns.values():
            digest.update(f"{column.name} {column.type}".encode())
            digest.update(column.rows.tobytes())
        return digest.hexdigest()[:12]


def fashion_mnist(folder: Path, queries: int) -> FilterData:
    """Read Fashion-MNIST from a folder, with the labels of its images and columns that are generated.

    Raises:
        FileNotFoundError: The file is not there.
    """
    data = read_fashion_mnist(folder)
    # The queries come class by class, so that the first ones would be of few classes.
    order = np.random.default_rng(_SEED).permutation(len(data.queries))[:queries]
    far = far_labels(data)[order]
    columns = {"label": Column("label", "smallint", data.labels)}
    own = data.query_labels[order]
    return _with_columns(FilterData("fashion-mnist", "l2", data.vectors, data.queries[order], columns, [], own, far))


def generated(rows: int, queries: int, dimensions: int = 384) -> FilterData:
    """Make clustered vectors for the cosine distance, which vary in few directions and in some of them more than in others."""
    random = np.random.default_rng(_SEED)
    # Embeddings look like this: the spectrum falls, and clusters touch.
    scale = (1 + np.arange(_LATENT_DIMENSIONS, dtype=np.float32)) ** np.float32(-0.5)
    centers = random.standard_normal((_CLUSTERS, _LATENT_DIMENSIONS), dtype=np.float32) * scale
    directions = random.standard_normal((_LATENT_DIMENSIONS, dimensions), dtype=np.float32)
    clusters = random.integers(_CLUSTERS, size=rows + queries)
    spread = random.standard_normal((rows + queries, _LATENT_DIMENSIONS), dtype=np.float32) * scale
    latent = centers[clusters] + np.float32(_CLUSTER_SPREAD) * spread
    vectors = latent @ directions
    vectors += np.float32(_NOISE) * random.standard_normal(vectors.shape, dtype=np.float32)
    return _with_columns(FilterData(f"generated-{rows}", "cosine", vectors[:rows], vectors[rows:], {}, []))


def _with_columns(data: FilterData) -> FilterData:
    """Add what is generated for every set of vectors: regions, and columns that know nothing of the vectors."""
    vectors, queries, columns = data.vectors, data.queries, dict(data.columns)
    random, count = np.random.default_rng(_SEED + 1), len(vectors)
    regions = cut_into_regions(*_directed(data.distance, vectors, queries), PARTS, _SEED + 2)
    columns["published"] = Column("published", "smallint", np.ones(count, dtype=np.int64))
    columns["price"] = Column("price", "integer", random.permutation(count) % PRICES)
    for level in regions:
        type_ = _TYPES[level.count]
        by_chance = random.permutation(count) % level.count
        for column in (
            Column(f"region_{level.count}", type_, level.rows),
            Column(f"random_{level.count}", type_, by_chance),
        ):
            columns[column.name] = column
    return replace(data, columns=columns, regions=regions)


def _directed(distance: str, *arrays: Any) -> tuple[Vectors, Vectors]:
    """Return vectors whose Euclidean distance orders as the distance does."""
    if distance == "l2":
        first, second = arrays
    else:
        first, second = (array / np.linalg.norm(array, axis=1, keepdims=True) for array in arrays)
    return first, second
