"""Recall, measured against exact answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fix_database import Databases
from fix_repository import World
from sqlalchemy.orm import Session
from support.models import Article, Base, article_rows, vectors

from pgvec import MeasureProgress, RecallReport, errors
from pgvec.orm import Embedding


def _fill(session: Session) -> None:
    Base.metadata.create_all(session.connection())
    session.execute(sa.insert(Article), article_rows(600))
    session.execute(sa.text("ANALYZE article"))


@pytest.fixture
def database_template(request: pytest.FixtureRequest, databases: Databases, template_database: str) -> str:
    """For the tests that ask for it, a database with six hundred articles, analysed."""
    return databases.filled(template_database, _fill) if "stored" in request.fixturenames else template_database


@pytest.fixture
def stored() -> list[dict[str, Any]]:
    """The articles of the database."""
    return article_rows(600)


async def test_report_says_how_searches_compare_with_exact_ones(world: World, stored: list[dict[str, Any]]):
    """Recall, interval, latencies and strategies of searches by stored records; no row is short."""
    report = await world.repository(Article).recall(sample=30)
    assert isinstance(report, RecallReport)
    assert (report.queries, report.limit, report.rows_short) == (30, 10, 0)
    assert 0.85 <= report.low <= report.recall <= report.high <= 1.0
    assert report.low < 1.0, "thirty queries prove no recall of 1"
    assert 0 < report.p50_ms <= report.p95_ms
    assert sum(report.strategies.values()) == 30
    assert report.to_dict()["recall"] == report.recall


async def test_recall_is_that_of_the_true_nearest(world: World, stored: list[dict[str, Any]]):
    """With given queries it equals what comparing with every row gives, at any ef_search."""
    queries = vectors(25, seed=3)
    report = await world.repository(Article).recall(queries=queries, ef_search=10, limit=10)
    repository, shares = world.repository(Article), []
    matrix = np.array([row["embedding"] for row in stored], dtype=np.float64)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    for query in queries:
        truth = {stored[at]["id"] for at in np.argsort(-(matrix @ query))[:10]}
        found = await repository.search(query, ef_search=10, columns=(Article.id,))
        shares.append(len(truth & {row.id for row in found.records}) / 10)
    assert report.recall == pytest.approx(np.mean(shares))
    assert report.ef_search == 10
    assert report.queries == 25


async def test_a_curve_shares_the_exact_answers(world: World, stored: list[dict[str, Any]]):
    """Each further ef_search is measured with the same queries, and a larger one finds no less."""
    told: list[MeasureProgress] = []
    report = await world.repository(Article).recall(sample=20, curve=(200, 10), progress=told.append)
    assert [point.ef_search for point in report.curve] == [10, 200]
    assert report.curve[0].recall <= report.curve[1].recall
    assert [progress.searches for progress in told] == list(range(1, 81))
    assert {progress.total for progress in told} == {80}


async def test_the_condition_limits_what_is_found(world: World, stored: list[dict[str, Any]]):
    """Queries come from all records, answers from those that pass; few of them are compared exactly."""
    report = await world.repository(Article).recall(where=Article.price <= 7, sample=5)
    assert report.recall == 1.0
    assert report.rows_short == 0
    assert set(report.strategies) == {"exact"}


async def test_equal_distances_are_equally_good(world: World, stored: list[dict[str, Any]]):
    """Where many rows are equally far, finding any of them is finding the nearest."""
    await world.execute(sa.update(Article).values(embedding=[1.0] + [0.0] * 7))
    await world.commit()
    report = await world.repository(Article).recall(sample=5)
    assert report.recall == 1.0


async def test_nothing_to_measure(world: World, stored: list[dict[str, Any]]):
    """Without a row that passes, or without embeddings, the error says what is missing."""
    with pytest.raises(errors.RecordNotFoundError, match="passes the condition"):
        await world.repository(Article).recall(where=Article.price < 0, sample=3)
    await world.execute(sa.update(Article).values(embedding=None))
    with pytest.raises(errors.RecordNotFoundError, match="could be a query"):
        await world.repository(Article).recall()


@pytest.mark.parametrize("kind", ["halfvec", "bit", "sparsevec"])
def test_every_type_of_vectors_and_key(engine: sa.Engine, kind: str):
    """Tables as well as models, keys of several columns, and columns of every type."""
    from pgvec import Repository

    table = sa.Table(
        "thing",
        sa.MetaData(),
        sa.Column("a", sa.Integer, primary_key=True),
        sa.Column("b", sa.Text, primary_key=True),
        sa.Column("v", Embedding(16, type=kind, distance="hamming" if kind == "bit" else "l2")),
    )
    table.create(engine)
    rows = vectors(300, dimensions=16)
    repository = Repository(engine, table)
    repository.insert([{"a": n, "b": f"x{n}", "v": row > 0 if kind == "bit" else row} for n, row in enumerate(rows)])
    report = repository.recall(sample=10)
    assert (report.recall, report.queries) == (1.0, 10)
