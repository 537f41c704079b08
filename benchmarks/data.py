"""What is loaded and searched: Fashion-MNIST from a folder, or vectors made from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["TRUTH", "Dataset", "Row", "Vectors", "exact_neighbors", "generate", "read_fashion_mnist", "stream_rows"]

Vectors: TypeAlias = NDArray[np.float32]
Row: TypeAlias = tuple[int, int, Vectors]

TRUTH = 10
_FASHION_MNIST = Path("fashion-mnist", "fashion-mnist.npz")
_LABELS = 10
_CLUSTERS_PER_LABEL = 5
_LATENT_DIMENSIONS = 24
_STREAM_BLOCK = 500


@dataclass(frozen=True, slots=True)
class Dataset:
    """Vectors with labels, queries, and the true answers.

    Attributes:
        name: What it is, for the report.
        vectors: One row for each record; the id of a record is its position.
        labels: A label for each record, to filter by.
        queries: The query vectors, none of them among the records.
        query_labels: The label that each query would have.
        neighbors: Ids of the ``TRUTH`` nearest records of each query by Euclidean distance.
    """

    name: str
    vectors: Vectors
    labels: NDArray[np.int64]
    queries: Vectors
    query_labels: NDArray[np.int64]
    neighbors: NDArray[np.int64]

    @property
    def dimensions(self) -> int:
        """Number of dimensions."""
        return int(self.vectors.shape[1])

    def rows(self) -> list[Row]:
        """Return the records as both sides of the comparison load them."""
        return list(zip(range(len(self.vectors)), self.labels.tolist(), list(self.vectors), strict=True))

    def shortened(self, rows: int, queries: int) -> Dataset:
        """Return the first records and queries, with the answers that are true among them."""
        vectors, asked = self.vectors[:rows], self.queries[:queries]
        kept = len(vectors) == len(self.vectors)
        neighbors = self.neighbors[:queries] if kept else exact_neighbors(vectors, asked)
        return Dataset(self.name, vectors, self.labels[:rows], asked, self.query_labels[:queries], neighbors)


def read_fashion_mnist(folder: Path) -> Dataset:
    """Read ``fashion-mnist/fashion-mnist.npz`` below ``folder``: 60,000 images of 784 pixels, 1,000 queries.

    Raises:
        FileNotFoundError: The file is not there; the message says where it was looked for.
    """
    path = folder / _FASHION_MNIST
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: DATA names the folder that contains {_FASHION_MNIST.parent}")
    with np.load(path) as arrays:
        return Dataset(
            name="fashion-mnist",
            vectors=arrays["train"].astype(np.float32),
            labels=arrays["train_labels"].astype(np.int64),
            queries=arrays["test"].astype(np.float32),
            query_labels=arrays["test_labels"].astype(np.int64),
            neighbors=arrays["neighbors"][:, :TRUTH].astype(np.int64),
        )


def generate(*, rows: int, queries: int, dimensions: int = 784, seed: int = 20) -> Dataset:
    """Make clustered vectors that vary in few directions, as embeddings do; the same for the same seed."""
    random = np.random.default_rng(seed)
    vectors, labels = _clustered(random, rows + queries, dimensions)
    return Dataset(
        name=f"generated, seed {seed}",
        vectors=vectors[:rows],
        labels=labels[:rows],
        queries=vectors[rows:],
        query_labels=labels[rows:],
        neighbors=exact_neighbors(vectors[:rows], vectors[rows:]),
    )


def stream_rows(count: int, dimensions: int, seed: int = 21) -> Iterator[Row]:
    """Yield generated rows without ever holding many of them."""
    random = np.random.default_rng(seed)
    for start in range(0, count, _STREAM_BLOCK):
        block = random.standard_normal((min(_STREAM_BLOCK, count - start), dimensions), dtype=np.float32)
        for offset, vector in enumerate(block):
            yield start + offset, offset % _LABELS, vector


def exact_neighbors(vectors: Vectors, queries: Vectors, limit: int = TRUTH) -> NDArray[np.int64]:
    """Return the positions of the true nearest vectors of each query, nearest first."""
    squared = np.einsum("ij,ij->i", vectors, vectors)
    found = []
    for block in np.array_split(queries, max(1, len(queries) // 100)):
        distances = squared - 2 * (block @ vectors.T)
        nearest = np.argpartition(distances, limit, axis=1)[:, :limit]
        order = np.argsort(np.take_along_axis(distances, nearest, axis=1), axis=1)
        found.append(np.take_along_axis(nearest, order, axis=1))
    return np.concatenate(found)


def _clustered(random: np.random.Generator, count: int, dimensions: int) -> tuple[Vectors, NDArray[np.int64]]:
    centers = random.standard_normal((_LABELS * _CLUSTERS_PER_LABEL, dimensions), dtype=np.float32)
    directions = random.standard_normal((_LATENT_DIMENSIONS, dimensions), dtype=np.float32)
    clusters = random.integers(len(centers), size=count)
    spread = random.standard_normal((count, _LATENT_DIMENSIONS), dtype=np.float32)
    vectors = centers[clusters] + spread @ directions * np.float32(0.3)
    return vectors, clusters % _LABELS
