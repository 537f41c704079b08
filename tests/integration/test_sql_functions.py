"""The SQL functions beside ``search``: held to the repository, to NumPy and to the formulas that they cite."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from fix_database import Databases
from fix_level import examples
from numpy.typing import NDArray
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgvec import Repository
from pgvec.orm import Embedding, HnswIndex, KeywordIndex

ROWS = 120
WORDS = ("rate", "soup", "bank", "tree", "moon", "car")


class Base(DeclarativeBase):
    pass


class Paper(Base):
    __tablename__ = "paper"
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]
    part: Mapped[int]
    embedding: Mapped[Any | None] = mapped_column(Embedding(5, distance="cosine"))
    __table_args__ = (HnswIndex("embedding"), KeywordIndex("body"))


def _vectors() -> NDArray[np.float32]:
    return np.random.default_rng(3).standard_normal((ROWS, 5)).astype(np.float32)


def _fill(session: Session) -> None:
    Base.metadata.create_all(session.connection())
    rng = np.random.default_rng(4)
    session.add_all(
        Paper(id=n + 1, body=" ".join(rng.choice(WORDS, 4)), part=n % 10, embedding=vector)
        for n, vector in enumerate(_vectors())
    )
    session.flush()
    session.execute(sa.text("ANALYZE paper"))


@pytest.fixture
def database_template(databases: Databases, migrated_template: str) -> str:
    """A database with the schema ``pgvec`` and papers 1, 2, ..."""
    return databases.filled(migrated_template, _fill)


@pytest.fixture
def vectors() -> NDArray[np.float32]:
    """The embeddings of the papers."""
    return _vectors()


def similarity(vectors: NDArray[np.float32], other: NDArray[Any], distance: str) -> NDArray[np.float64]:
    left, right = vectors.astype(float), np.asarray(other, dtype=float)
    if distance == "cosine":
        return (left @ right) / np.linalg.norm(left, axis=1) / np.linalg.norm(right)
    if distance == "inner_product":
        return left @ right
    return -(((left - right) ** 2).sum(axis=1)) if distance == "l2" else -np.abs(left - right).sum(axis=1)


def scores(
    vectors: NDArray[np.float32], likes: list[int], dislikes: list[int], strategy: str, distance: str
) -> NDArray[np.float64]:
    """The formulas of https://qdrant.tech/documentation/concepts/explore/#recommendation-api, of rows and of keys from 1."""
    own = vectors.astype(float)
    if strategy == "average":
        used = own / np.linalg.norm(own, axis=1, keepdims=True) if distance == "cosine" else own
        query = used[np.array(likes) - 1].mean(axis=0)
        if dislikes:
            query = query + query - used[np.array(dislikes) - 1].mean(axis=0)
        return similarity(vectors, query, distance)
    near = np.array([similarity(vectors, own[key - 1], distance) for key in likes]).reshape(len(likes), ROWS)
    far = np.array([similarity(vectors, own[key - 1], distance) for key in dislikes]).reshape(len(dislikes), ROWS)
    if strategy == "sum_scores":
        return near.sum(axis=0) - far.sum(axis=0)
    best, worst = near.max(axis=0, initial=-np.inf), far.max(axis=0, initial=-np.inf)
    return np.where(best > worst, best, -(worst * worst))


@pytest.mark.parametrize("strategy", ["average", "best_score", "sum_scores"])
@pytest.mark.parametrize("distance", ["cosine", "l2", "inner_product", "l1"])
def test_recommend(engine: sa.Engine, vectors: NDArray[np.float32], strategy: str, distance: str):
    """Random examples, with and without a filter: scores and rows are those of the documented formulas."""
    rng = np.random.default_rng(7)
    call = (
        "SELECT id::int, score FROM pgvec.recommend('paper', %s::jsonb, %s::jsonb, %s, filter => %s::jsonb, max_rows => 12,"
        " distance_by => %s, exact => true)"
    )
    with engine.connect() as connection:
        for number in range(examples(dev=8, full=85)):
            keys = [int(key) for key in rng.choice(ROWS, 5, replace=False) + 1]
            some = int(rng.integers(1, 5))
            likes, dislikes = keys[:some], keys[some:] if number % 3 else []
            where = {"part": {"$lt": 3}} if number % 2 else {}
            asked = (json.dumps(likes), json.dumps(dislikes), strategy, json.dumps(where), distance)
            found = connection.exec_driver_sql(call, asked).all()
            expected = scores(vectors, likes, dislikes, strategy, distance)
            passing = [n for n in range(ROWS) if n + 1 not in likes + dislikes and (not where or n % 10 < 3)]
            order = sorted(passing, key=lambda n: -expected[n])[:12]
            assert [row.id for row in found] == [n + 1 for n in order]
            assert [row.score for row in found] == pytest.approx([expected[n] for n in order], rel=1e-6, abs=1e-5)


def test_recommend_by_vectors_and_of_negatives_alone(engine: sa.Engine, vectors: NDArray[np.float32]):
    """A vector is an example like a row; with negative examples alone what is least like them comes first."""
    with engine.connect() as connection:

        def ask(options: str, *values: Any) -> list[int]:
            return list(
                connection.exec_driver_sql(f"SELECT id::int FROM pgvec.recommend('paper', {options})", values).scalars()
            )

        vector = json.dumps([{"vector": vectors[4].tolist()}])
        assert ask("%s::jsonb, exact => true", vector)[0] == 5
        assert ask("%s::jsonb, strategy => 'best_score'", vector)[0] == 5
        expected = scores(vectors, [], [3], "best_score", "cosine")
        expected[2] = -np.inf
        assert ask("negative => '[3]', strategy => 'best_score'")[0] == int(np.argmax(expected)) + 1
        for wrong in (
            "'[]'",
            "negative => '[3]'",
            "'[1]', strategy => 'best'",
            "'1'",
            "'[null]'",
            "'[{}]'",
            "'[99999]'",
            "'[[1, 2]]'",
        ):
            with pytest.raises(sa.exc.DBAPIError), connection.begin_nested():
                ask(wrong)


def reference_mmr(
    vectors: NDArray[np.float32], query: NDArray[Any], pool: list[int], diversity: float, limit: int
) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998), on rows of the pool."""
    relevance = similarity(vectors, query, "cosine")
    taken: list[int] = []
    while len(taken) < min(limit, len(pool)):
        left = [n for n in pool if n not in taken]
        value = {
            n: (1 - diversity) * relevance[n]
            - (diversity * max(similarity(vectors[[m]], vectors[n], "cosine")[0] for m in taken) if taken else 0.0)
            for n in left
        }
        taken.append(max(left, key=lambda n: value[n]))
    return taken


def test_mmr_is_the_reference(engine: sa.Engine, vectors: NDArray[np.float32]):
    """Random queries and diversities: the rows of the reference in its order."""
    rng = np.random.default_rng(11)
    call = "SELECT id::int FROM pgvec.mmr('paper', %s::float8[], %s, filter => %s::jsonb, max_rows => 8, candidates => 30, exact => true)"
    with engine.connect() as connection:
        for number in range(examples(dev=15, full=150)):
            query, diversity = rng.standard_normal(5), float(rng.random())
            passing = [n for n in range(ROWS) if number % 2 == 0 or n % 10 < 5]
            relevance = similarity(vectors, query, "cosine")
            pool = sorted(passing, key=lambda n: -relevance[n])[:30]
            where = "{}" if number % 2 == 0 else '{"part": {"$lt": 5}}'
            found = connection.exec_driver_sql(call, (query.tolist(), diversity, where)).scalars().all()
            assert [key - 1 for key in found] == reference_mmr(vectors, query, pool, diversity, 8)
        for wrong in ("diversity => 1.5", "diversity => NULL", "candidates => 5", "max_rows => 0"):
            with pytest.raises(sa.exc.DBAPIError), connection.begin_nested():
                connection.exec_driver_sql(f"SELECT * FROM pgvec.mmr('paper', '[1,1,1,1,1]', {wrong})")


@pytest.mark.parametrize("distance", ["cosine", "l2", "inner_product", "l1"])
def test_mmr_is_the_repositorys_diversity(engine: sa.Engine, distance: str):
    """Rows, order and scores of ``mmr`` are those of ``search(diversity=)``, by each distance."""
    rng = np.random.default_rng(12)
    papers = Repository(engine, Paper, distance=distance)
    call = (
        "SELECT id::int, score FROM pgvec.mmr('paper', %s::float8[], %s, max_rows => 8, candidates => 30, exact => true,"
        " distance_by => %s)"
    )
    with engine.connect() as connection:
        for _ in range(examples(dev=4, full=40)):
            query, diversity = rng.standard_normal(5).astype(np.float32), float(rng.random())
            found = connection.exec_driver_sql(call, (query.tolist(), diversity, distance)).all()
            expected = papers.search(query, limit=8, candidates=30, diversity=diversity, exact=True)
            assert [row.id for row in found] == [match.record.id for match in expected]
            assert [row.score for row in found] == pytest.approx([match.score for match in expected], abs=1e-9)


@pytest.mark.parametrize("fusion", ["auto", "convex", "rrf", "dbsf"])
def test_hybrid_search_is_the_repositorys(engine: sa.Engine, vectors: NDArray[np.float32], fusion: str):
    """The same rows, scores and distances as from the repository, with and without filters, weights and pages."""
    rng = np.random.default_rng(13)
    call = (
        "SELECT id::int, score, distance FROM pgvec.hybrid_search('paper', %s, %s::text, %s::jsonb, max_rows => 9, fusion => %s,"
        " weights => %s::float8[], candidates => %s, skip_rows => %s, exact => true)"
    )
    with Session(engine) as session:
        papers = Repository(session, Paper)
        for number in range(examples(dev=6, full=60)):
            query = rng.standard_normal(5)
            text = " ".join(rng.choice(WORDS, 2))
            where = {"part": {"$in": [1, 2, 3]}} if number % 2 else {}
            weights = [0.7, 0.2] if number % 3 == 1 else None
            candidates, offset = (40, 3) if number % 3 else (None, 0)
            expected = papers.hybrid_search(
                text, vector=query, where=where, limit=9, fusion=fusion, weights=weights, candidates=candidates, offset=offset,
                exact=True, columns=("id",),
            )  # fmt: skip
            asked = (
                text,
                str(query.astype(np.float32).tolist()),
                json.dumps(where),
                fusion,
                weights,
                candidates,
                offset,
            )
            found = session.connection().exec_driver_sql(call, asked).all()
            assert [row.id for row in found] == [match.record.id for match in expected]
            assert [row.score for row in found] == pytest.approx([match.score for match in expected])
            assert [row.distance for row in found] == pytest.approx([match.distance for match in expected], abs=1e-6)


def test_wrong_arguments_of_a_hybrid_search(engine: sa.Engine, vectors: NDArray[np.float32]):
    """What the repository refuses is refused."""
    with engine.connect() as connection:
        for text, options in (
            ("' '", ""),
            ("NULL", ""),
            ("'rate'", ", fusion => 'sum'"),
            ("'rate'", ", weights => '{1}'"),
            ("'rate'", ", weights => '{0,0}'"),
            ("'rate'", ", weights => '{-1,2}'"),
            ("'rate'", ", candidates => 3"),
            ("'rate'", ", keyword_index => 'none'"),
        ):
            with pytest.raises(sa.exc.DBAPIError), connection.begin_nested():
                connection.exec_driver_sql(
                    f"SELECT * FROM pgvec.hybrid_search('paper', {text}, '[1,1,1,1,1]'{options})"
                )


def test_similar_leaves_the_row_out(engine: sa.Engine, vectors: NDArray[np.float32]):
    """Similar rows are those of a search by the row's vector, without the row."""
    with engine.connect() as connection:
        for key in (1, 50, 120):
            found = (
                connection.exec_driver_sql("SELECT id::int FROM pgvec.similar('paper', %s, max_rows => 5)", (key,))
                .scalars()
                .all()
            )
            near = similarity(vectors, vectors[key - 1], "cosine")
            assert [number - 1 for number in found] == [int(n) for n in np.argsort(-near) if n != key - 1][:5]


def test_recall_of_an_index_that_misses(connection: psycopg.Connection):
    """A poor graph has a recall below one, more work a better one; it is measured alike each time."""
    connection.execute(
        "CREATE TABLE item (id int PRIMARY KEY, part int, embedding vector(24));"
        "INSERT INTO item SELECT n, n % 10, (SELECT array_agg(sin(n * (k * k + 1.37)) + cos(n * k * 0.11)) FROM generate_series(1, 24) AS k)"
        "::real[]::vector FROM generate_series(1, 4000) AS n; ANALYZE item;"
        "CREATE INDEX ON item USING hnsw (embedding vector_l2_ops) WITH (m = 3, ef_construction = 6)"
    )

    def ask(options: str) -> tuple[float, int, int]:
        return connection.execute(f"SELECT * FROM pgvec.recall('item', 25, {options})").fetchone()

    poor, again, better = ask("ef_search => 10"), ask("ef_search => 10"), ask("ef_search => 400")
    assert poor == again
    assert 0 < poor[0] < better[0] <= 1
    assert poor[1:] == (25, 0)
    assert ask('filter => \'{"id": {"$lt": 20}}\'')[0] == 1
    with pytest.raises(psycopg.DatabaseError, match="none that passes"):
        ask("filter => '{\"id\": -1}'")


def test_inspect(engine: sa.Engine, vectors: NDArray[np.float32]):
    """Each vector column with each of its indexes; a column of bits counts where a vector index is on it."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE bits (id int, flags bit(4), signs bit(4)); CREATE INDEX ON bits USING hnsw (signs bit_hamming_ops);"
            "CREATE INDEX half ON paper USING hnsw ((embedding::halfvec(5)) halfvec_l2_ops) WHERE part = 1"
        )
        rows = connection.exec_driver_sql("SELECT * FROM pgvec.inspect()").all()
    assert [(row.table_name, row.column_name, row.type, row.dimensions) for row in rows] == [
        ("bits", "signs", "bit", 4),
        ("paper", "embedding", "vector", 5),
        ("paper", "embedding", "vector", 5),
    ]
    assert {row.operator_class for row in rows} == {"bit_hamming_ops", "halfvec_l2_ops", "vector_cosine_ops"}
    assert all(row.is_valid and row.index_bytes > 0 for row in rows)
