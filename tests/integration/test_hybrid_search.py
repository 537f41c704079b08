"""Hybrid search fuses distances and keyword scores as its formulas say, in one statement, on both repositories."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from fix_database import Databases
from fix_level import FULL
from fix_repository import World
from sqlalchemy.orm import Session
from support.bm25 import WEIGHTS, WORDS, Base, Page, Reference, page_rows

from pgvec import Fusion, Repository, Strategy, errors
from pgvec.scores import distance, fused_score, keyword_score

FIELDS = dict(zip(("title", "body"), WEIGHTS, strict=True))
ROWS = 600
# Of each kind of fusion a thousand in all: it is asked under three filters.
CASES = 334 if FULL else 12


def _rows() -> list[dict[str, Any]]:
    rows = page_rows(ROWS, np.random.default_rng(11))
    for row in rows[::17]:
        row["embedding"] = None
    return rows


def _fill(session: Session) -> None:
    Base.metadata.create_all(session.connection())
    Repository(session, Page).bulk_load(_rows())


@pytest.fixture
def database_template(request: pytest.FixtureRequest, databases: Databases, migrated_template: str) -> str:
    """For the tests that ask for it, a database with the schema ``pgvec`` and six hundred pages, some without embedding."""
    return databases.filled(migrated_template, _fill) if "stored" in request.fixturenames else migrated_template


@pytest.fixture
def stored() -> list[dict[str, Any]]:
    """The pages of the database."""
    return _rows()


class Fused:
    """The formulas, computed by NumPy from true distances and scores.

    Args:
        rows: The rows that pass the condition.
        scores: BM25 of the rows that match.
        vector: The query vector.
        candidates: Length of both lists.
    """

    def __init__(self, rows: list[dict[str, Any]], scores: dict[int, float], vector: Any, candidates: int) -> None:
        self.distances = {
            row["id"]: 1
            - float(np.dot(row["embedding"], vector) / (np.linalg.norm(row["embedding"]) * np.linalg.norm(vector)))
            for row in rows
            if row["embedding"] is not None
        }
        passing = {row["id"] for row in rows}
        self.scores = {key: score for key, score in scores.items() if key in passing}
        self.near = sorted(self.distances, key=lambda key: (self.distances[key], key))[:candidates]
        self.words = sorted(self.scores, key=lambda key: (-self.scores[key], key))[:candidates]
        self.pool = sorted({*self.near, *self.words})

    def convex(self, near: float, words: float) -> dict[int, float]:
        """The weighted mean of both, spread from 0 to 1 over the pool."""
        similar = self._spread({key: -self.distances[key] for key in self.pool if key in self.distances}, 1.0)
        scored = self._spread({key: self.scores.get(key, 0.0) for key in self.pool}, None)
        return {key: near * similar.get(key, 0.0) + words * scored[key] for key in self.pool}

    @staticmethod
    def _spread(values: dict[int, float], alone: float | None) -> dict[int, float]:
        if not values:
            return {}
        least, greatest = min(values.values()), max(values.values())
        if least == greatest:
            return {key: alone if alone is not None else float(value > 0) for key, value in values.items()}
        return {key: (value - least) / (greatest - least) for key, value in values.items()}

    def rrf(self, near: float, words: float, constant: int) -> dict[int, float]:
        """The weighted sum of reciprocal ranks."""
        fused = dict.fromkeys(self.pool, 0.0)
        for weight, ranked in ((near, self.near), (words, self.words)):
            for rank, key in enumerate(ranked, start=1):
                fused[key] += weight / (constant + rank)
        return fused

    def dbsf(self, near: float, words: float) -> dict[int, float]:
        """The weighted sum of scores, each scaled by mean and three standard deviations of its list."""
        fused = dict.fromkeys(self.pool, 0.0)
        lists = (
            (near, {key: -self.distances[key] for key in self.near}),
            (words, {k: self.scores[k] for k in self.words}),
        )
        for weight, values in lists:
            deviation = float(np.std(list(values.values()))) if values else 0.0
            for key, value in values.items():
                mean = float(np.mean(list(values.values())))
                fused[key] += weight * (0.5 if deviation == 0 else (value - mean + 3 * deviation) / (6 * deviation))
        return fused


@pytest.mark.parametrize("fusion", ["convex", "rrf", "dbsf"])
@pytest.mark.parametrize("share", [1, 10, 100], ids=["all", "tenth", "hundredth"])
async def test_fusion_is_that_of_the_formulas(
    world: World, stored: list[dict[str, Any]], connection: psycopg.Connection, fusion: str, share: int
) -> None:
    """Whatever the query, the weights and the filter, scores and order are those of a NumPy reference on the same rows."""
    random = np.random.default_rng(3)
    reference = Reference(connection, stored, FIELDS)
    repository = world.repository(Page)
    for _ in range(CASES if world.kind == "sync" else 3):
        vector = random.standard_normal(3)
        text = " ".join(random.choice(WORDS, size=random.integers(1, 4)))
        near, words = (float(weight) for weight in random.integers(1, 10, size=2))
        rest = int(random.integers(0, share))
        rows = [row for row in stored if row["id"] % share == rest]
        fused = Fused(rows, reference.scores(text), vector, 20)
        expected = {
            "convex": lambda f=fused, n=near, w=words: f.convex(n / (n + w), w / (n + w)),
            "rrf": lambda f=fused, n=near, w=words: f.rrf(n, w, 60),
            "dbsf": lambda f=fused, n=near, w=words: f.dbsf(n, w),
        }[fusion]()
        found = await repository.hybrid_search(
            text,
            vector=vector,
            fusion=fusion,
            weights=(near, words),
            candidates=20,
            limit=10,
            where=None if share == 1 else Page.id % share == rest,
            exact=True,
        )
        best = sorted(expected.values(), reverse=True)[:10]
        assert [match.score for match in found] == pytest.approx(best, rel=1e-4, abs=1e-6)
        for match in found:
            assert match.score == pytest.approx(expected[match.record.id], rel=1e-4, abs=1e-6)
            distance = fused.distances.get(match.record.id, math.nan)
            assert match.distance == pytest.approx(distance, abs=1e-5, nan_ok=True)
        assert found.receipt.strategy is Strategy.EXACT


async def test_one_statement_and_an_honest_receipt(world: World, stored: list[dict[str, Any]]) -> None:
    """The receipt tells of the vector part; what is known to be everything is told as complete."""
    repository = world.repository(Page)
    await repository.hybrid_search("bank", vector=[1, 2, 3])
    found = await repository.hybrid_search("bank", vector=[1, 2, 3])
    assert (found.receipt.statements, found.receipt.returned, found.receipt.complete) == (1, 10, True)
    few = await repository.hybrid_search("bank", vector=[1, 2, 3], where={"id": {"$between": [2, 5]}}, exact=True)
    assert len(few) == 4
    assert (few.receipt.complete, few.receipt.exact, few.receipt.matching_is_exact) == (True, True, True)
    none = await repository.hybrid_search("bank", vector=[1, 2, 3], where={"tenant": 77}, exact=True)
    assert (len(none), none.receipt.complete) == (0, True)
    whole = await repository.hybrid_search("money bank", vector=[1, 2, 3], limit=20)
    pieces = [await repository.hybrid_search("money bank", vector=[1, 2, 3], limit=10, offset=o) for o in (0, 10)]
    assert [m.record.id for piece in pieces for m in piece] == [m.record.id for m in whole]
    assert [m.rank for m in pieces[1]] == list(range(11, 21))


async def test_words_or_vectors_may_find_nothing(world: World, stored: list[dict[str, Any]]) -> None:
    """A text of stop words leaves the order to the vectors; rows without embedding are found by their words."""
    repository = world.repository(Page)
    nearest = [match.record.id for match in await repository.search([1, 2, 3], limit=5, exact=True)]
    found = await repository.hybrid_search("of the", vector=[1, 2, 3], limit=5, exact=True)
    assert [match.record.id for match in found] == nearest
    await repository.insert({"id": 5000, "title": "platypus"})
    found = await repository.hybrid_search("platypus", vector=[1, 2, 3], weights=(0, 1), limit=1)
    assert found[0].record.id == 5000
    assert math.isnan(found[0].distance)
    assert found[0].similarity is None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"fusion": "sum"}, errors.InvalidOptionError, "fusion='sum'"),
        ({"weights": (1,)}, errors.InvalidOptionError, "two numbers"),
        ({"weights": (0, 0)}, errors.InvalidOptionError, "both 0"),
        ({"weights": (1, -1)}, errors.InvalidOptionError, "not negative"),
        ({"weights": (1, math.nan)}, errors.InvalidOptionError, "not negative"),
        ({"candidates": 5}, errors.InvalidOptionError, "candidates=5"),
        ({"limit": 0}, errors.InvalidOptionError, "limit=0"),
        ({"rrf_k": -1}, errors.InvalidOptionError, "rrf_k=-1"),
        ({"vector": [1, 2]}, errors.DimensionMismatchError, "3"),
        ({"vector": None}, errors.ConfigurationError, "no embedder"),
        ({"index": "other"}, errors.IndexNotFoundError, "other"),
    ],
)
async def test_what_cannot_be_asked(
    world: World, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Options out of range are refused before anything is asked."""
    await world.create_all(Base)
    await world.repository(Page).insert({"id": 1, "title": "bank", "embedding": [1, 0, 0]})
    with pytest.raises(error, match=message):
        await world.repository(Page).hybrid_search("bank", **({"vector": [1, 2, 3]} | options))


def judged(rows: list[dict[str, Any]], by_words: bool) -> tuple[list[str], list[Any], list[set[int]]]:
    """Queries whose relevant rows are those with a word, or those that are near: and the other half of the query misleads."""
    texts, vectors, relevant = [], [], []
    for number in range(20):
        row = rows[number * 3 + 1]
        texts.append(f"unique{row['id']}" if by_words else "bank money water")
        vectors.append((-1 if by_words else 1) * np.array(row["embedding"]))
        relevant.append({row["id"]})
    return texts, vectors, relevant


@pytest.mark.parametrize("by_words", [True, False], ids=["words", "vectors"])
async def test_tuning_finds_what_counts(world: World, by_words: bool) -> None:
    """Judgements that only words (or only vectors) can meet give those the weight, which is stored and used from then on."""
    await world.create_all(Base)
    rows = page_rows(100, np.random.default_rng(12))
    for row in rows:
        row["title"] = f"unique{row['id']}"
    repository = world.repository(Page)
    await repository.bulk_load(rows)
    texts, vectors, relevant = judged(rows, by_words)
    report = await repository.tune_fusion(texts, relevant, vectors=vectors)
    assert report.queries == 20
    assert report.tuned_ndcg >= report.default_ndcg
    assert report.weight < 0.5 if by_words else report.weight > 0.5
    assert report.improves
    auto = await repository.hybrid_search(texts[0], vector=vectors[0])
    fixed = await repository.hybrid_search(texts[0], vector=vectors[0], weights=(report.weight, 1 - report.weight))
    assert [match.score for match in auto] == pytest.approx([match.score for match in fixed])
    assert auto[0].record.id in relevant[0]
    gains = [dict.fromkeys(keys, 2.0) for keys in relevant]
    assert (await repository.tune_fusion(texts, gains, vectors=vectors)).tuned_ndcg == pytest.approx(report.tuned_ndcg)


async def test_tuning_refuses_what_does_not_fit(world: World) -> None:
    """Queries and judgements have to fit together, and to be enough for the parts."""
    await world.create_all(Base)
    repository = world.repository(Page)
    vector = [1.0, 2.0, 3.0]
    for queries, relevance, message in (
        ("bank", [{1}], "list of texts"),
        (["bank"], [{1}, {2}], "for each query"),
        (["bank"], [{1}], "cannot be dealt"),
        (["bank"] * 5, [{1}] * 4 + [7], "holds 7"),
    ):
        with pytest.raises(errors.InvalidInputError, match=message):
            await repository.tune_fusion(queries, relevance, vectors=[vector] * len(queries))


def test_only_the_owner_stores_a_weight(login_role: str, engine: sa.Engine, connection: psycopg.Connection) -> None:
    """A role that may only read cannot change how others' searches are ordered."""
    Base.metadata.create_all(engine)
    connection.execute(f"GRANT SELECT ON page TO {login_role}; SET ROLE {login_role}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT pgvec._keyword_store_fusion_v1('page', NULL, 'embedding', 0.9)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("INSERT INTO pgvec.keyword_fusion VALUES (1, 'embedding', 0.9)")
    assert list(Fusion) == ["auto", "convex", "rrf", "dbsf"]


async def test_hybrid_and_keyword_searches_are_shaped(
    world: World, stored: list[dict[str, Any]], connection: psycopg.Connection
) -> None:
    """Scores over BM25, distance and the fused score; counts of all rows with the words, or with an embedding."""
    repository = world.repository(Page)
    scores = Reference(connection, stored, FIELDS).scores("bank money")
    ids = (Page.id,)
    words = await repository.keyword_search(
        "bank money", score=-keyword_score(), candidates=50, limit=5, facets=("tenant",)
    )
    best = sorted(scores.values(), reverse=True)[:50]
    assert [match.score for match in words] == pytest.approx([-s for s in best[::-1][:5]], rel=1e-4)
    assert words.total == len(scores)
    assert sum(words.facets["tenant"].counts().values()) + words.facets["tenant"].other == len(scores)
    ordered = await repository.keyword_search("bank money", order_by="-id", candidates=50, limit=3, columns=ids)
    assert [match.record.id for match in ordered] == sorted((m.record.id for m in ordered), reverse=True)
    plain = await repository.hybrid_search("bank money", vector=[1, 2, 3], limit=7, exact=True, columns=ids)
    same = await repository.hybrid_search(
        "bank money", vector=[1, 2, 3], limit=7, exact=True, columns=ids, score=fused_score(), facets=()
    )
    assert [m[:4] for m in same] == [m[:4] for m in plain]
    either = {row["id"] for row in stored if row["embedding"] is not None} | set(scores)
    assert same.total == len(either)
    mixed = await repository.hybrid_search(
        "bank money", vector=[1, 2, 3], limit=200, exact=True, score=keyword_score() - distance(), columns=ids
    )
    for match in mixed:
        expected = scores.get(match.record.id, 0.0) - match.distance
        assert match.score == pytest.approx(expected, rel=1e-4, abs=1e-5, nan_ok=True)
