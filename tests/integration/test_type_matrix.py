"""Every legal type, distance and index, searched through the repository and compared with NumPy on the same rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fix_database import Databases, sqlalchemy_url
from numpy.typing import NDArray

from pgvec import Repository
from pgvec.errors import MappingError
from pgvec.model import Distance, VectorType
from pgvec.orm import Embedding, HnswIndex, IvfflatIndex
from pgvec.orm.rules import DISTANCES, QUANTIZATIONS

ROWS = 200
DIMENSIONS = 16
LEADING = 8
LIMIT = 10
QUERIES = 3
INDEXES: dict[str, Callable[..., sa.Index] | None] = {
    "none": None,
    "hnsw": lambda column, **options: HnswIndex(column, m=8, ef_construction=32, **options),
    "ivfflat": lambda column, **options: IvfflatIndex(column, lists=2, **options),
}
# With all rows among the candidates the graph finds nearly everything; smaller forms may lose a little.
FULL_RECALL, REDUCED_RECALL = 0.97, 0.8

Matrix = NDArray[np.float64]


def dense() -> Matrix:
    """Vectors whose leading dimensions say most, as those of models made for being cut do."""
    weights = 1 / np.arange(1, DIMENSIONS + 1)
    values = np.random.default_rng(5).standard_normal((ROWS + QUERIES, DIMENSIONS)) * weights
    return values.astype(np.float32).astype(np.float64)


def data(kind: VectorType) -> Matrix:
    """What a column of this type stores, as numbers."""
    values = dense()
    match kind:
        case VectorType.HALFVEC:
            return values.astype(np.float16).astype(np.float64)
        case VectorType.SPARSEVEC:
            return np.where(np.abs(values) > 0.1, values, 0.0)
        case VectorType.BIT:
            return (values > 0).astype(np.float64)
        case _:
            return values


DISTANCE_BY_NUMPY: dict[Distance, Callable[[Matrix, Any], Any]] = {
    Distance.COSINE: lambda m, q: 1 - m @ q / (np.linalg.norm(m, axis=1) * np.linalg.norm(q)),
    Distance.L2: lambda m, q: np.linalg.norm(m - q, axis=1),
    Distance.INNER_PRODUCT: lambda m, q: -(m @ q),
    Distance.L1: lambda m, q: np.abs(m - q).sum(axis=1),
    Distance.HAMMING: lambda m, q: np.abs(m - q).sum(axis=1),
    Distance.JACCARD: lambda m, q: 1 - np.minimum(m, q).sum(axis=1) / np.maximum(m, q).sum(axis=1),
}


def given(kind: VectorType, vector: Any) -> Any:
    """The form in which a caller would give a vector."""
    return vector.astype(bool) if kind is VectorType.BIT else vector


def forms(kind: VectorType, index: str) -> Iterator[dict[str, Any]]:
    """The options of an index on a column of this type."""
    quantizations = (None, *QUANTIZATIONS[kind]) if index != "none" else (None,)
    for quantization, dimensions in itertools.product(quantizations, (None, LEADING)):
        if index != "none" or dimensions is None:
            yield {"quantization": quantization, "dimensions": dimensions}


def tables(kind: VectorType, index: str) -> Iterator[tuple[sa.Table, float]]:
    """Every legal table with such an index, and the recall that a search by it must reach."""
    metadata = sa.MetaData()
    for distance, options in itertools.product(sorted(DISTANCES[kind]), forms(kind, index)):
        name = "_".join(map(str, (kind, index, distance, *(value for value in options.values() if value))))
        try:
            build = INDEXES[index]
            table = sa.Table(
                name,
                metadata,
                sa.Column("id", sa.Integer, primary_key=True),
                sa.Column("part", sa.Integer),
                sa.Column("embedding", Embedding(DIMENSIONS, distance, kind)),
                *([] if build is None else [build("embedding", **options)]),
            )
        except MappingError:
            continue  # tests/integration/test_orm_rules.py shows that the server refuses it too
        yield table, REDUCED_RECALL if any(options.values()) else FULL_RECALL


@pytest.fixture(scope="module")
def engine(databases: Databases, template_database: str) -> Iterator[sa.Engine]:
    """An engine on a database of this module."""
    name = databases.create(template_database)
    made = sa.create_engine(sqlalchemy_url(databases.url_of(name)))
    yield made
    made.dispose()
    databases.drop(name)


def test_the_matrix_is_complete() -> None:
    """The cases are all legal ones: 73 with an index, 14 without."""
    counts = {index: sum(len(list(tables(kind, index))) for kind in VectorType) for index in INDEXES}
    assert counts["none"] == 14
    assert counts["hnsw"] + counts["ivfflat"] == 73


@pytest.mark.parametrize(
    ("kind", "index"), [case for case in itertools.product(VectorType, INDEXES) if next(tables(*case), None)]
)
def test_search_agrees_with_numpy(engine: sa.Engine, kind: VectorType, index: str) -> None:
    """Exact answers have NumPy's order and distances; those of an index have its recall; both are complete."""
    stored, queries = np.split(data(kind), [ROWS])
    for table, floor in tables(kind, index):
        with engine.begin() as connection:
            table.create(connection)
            repository = Repository(connection, table)
            rows = {"id": np.arange(ROWS), "part": np.arange(ROWS) % 4}
            repository.bulk_load({**rows, "embedding": [given(kind, vector) for vector in stored]})
            prefer_indexes(connection)
            recalls = []
            for query in queries:
                truth = DISTANCE_BY_NUMPY[repository.target.distance](stored, query)
                assert_exact(repository, given(kind, query), truth)
                before = index_scans(connection, table)
                recalls.append(recall(repository, given(kind, query), truth))
                assert index_scans(connection, table) - before == (index != "none")
            assert np.mean(recalls) >= floor, table.name
            assert_complete(repository, given(kind, queries[0]))
            connection.rollback()


def prefer_indexes(connection: sa.Connection) -> None:
    """Let the server use the index although the table is small, and look into both lists of IVFFlat."""
    connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
    connection.execute(sa.text("SET LOCAL enable_sort = off"))
    connection.execute(sa.text("SET LOCAL ivfflat.probes = 2"))


def index_scans(connection: sa.Connection, table: sa.Table) -> int:
    """Return how many scans of the table's indexes this transaction has begun."""
    counted = sa.text("SELECT idx_scan FROM pg_stat_xact_user_tables WHERE relname = :name")
    return connection.execute(counted, {"name": table.name}).scalar_one() or 0


def assert_exact(repository: Repository[Any], query: Any, truth: NDArray[Any]) -> None:
    """Assert that an exact search has the right distances, in the right order."""
    found = repository.search(query, exact=True, limit=LIMIT)
    distances = [match.distance for match in found]
    ids = [match.record["id"] for match in found]
    np.testing.assert_allclose(distances, np.sort(truth)[:LIMIT], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(distances, truth[ids], rtol=1e-4, atol=1e-6)
    assert list(zip(distances, ids, strict=True)) == sorted(zip(distances, ids, strict=True))
    assert found.receipt.exact


def recall(repository: Repository[Any], query: Any, truth: NDArray[Any]) -> float:
    """Return the share of matches that are no farther than the last of the true nearest; their distances are right."""
    found = repository.search(query, limit=LIMIT, ef_search=ROWS, columns=("id",))
    ids = [match.record.id for match in found]
    assert len(set(ids)) == LIMIT
    np.testing.assert_allclose([match.distance for match in found], truth[ids], rtol=1e-4, atol=1e-6)
    return float(np.mean(truth[ids] <= np.sort(truth)[LIMIT - 1] + 1e-9))


def assert_complete(repository: Repository[Any], query: Any) -> None:
    """Assert that every row is found when more are asked for, with a filter and without."""
    assert {match.record["id"] for match in repository.search(query, limit=ROWS + 1)} == set(range(ROWS))
    filtered = repository.search(query, where={"part": 3}, limit=ROWS)
    assert {match.record["id"] for match in filtered} == set(range(3, ROWS, 4))
    assert filtered.receipt.complete
