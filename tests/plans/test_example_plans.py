"""How Postgres runs searches by examples and diverse searches: by the index where that answers, exactly under a small filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from fix_database import Databases, sqlalchemy_url
from psycopg import sql
from sqlalchemy.orm import Session
from support.plans import Plan, explained

from pgvec import Repository, Strategy
from pgvec.orm import Embedding, HnswIndex

ROWS = 3_000
DIMENSIONS = 16
ELSEWHERE = 'Ext "%<=>space'
VECTORS = np.random.default_rng(5).standard_normal((ROWS, DIMENSIONS)).astype(np.float32)
QUERY = VECTORS[0] + 0.1
ASKED: dict[str, Callable[..., Any]] = {
    "average": lambda r, **o: r.recommend([1, 2, QUERY], [3], **o),
    "best_score": lambda r, **o: r.recommend([1, 2, QUERY], [3], strategy="best_score", **o),
    "sum_scores": lambda r, **o: r.recommend([1, 2, QUERY], [3, 4], strategy="sum_scores", **o),
    "discover": lambda r, **o: r.discover(1, [(2, 3)], **o),
    "context": lambda r, **o: r.discover(context=[(1, 2), (3, 4)], **o),
    "feedback": lambda r, **o: r.feedback(QUERY, [(1, 1.0), (2, 0.5)], **o),
    "refine": lambda r, **o: r.refine(QUERY, relevant=[1], **o),
    "diverse": lambda r, **o: r.search(QUERY, diversity=0.3, **o),
}


def _fill(url: str, schema: str | None, **index: Any) -> tuple[sa.Engine, sa.Table]:
    engine = sa.create_engine(sqlalchemy_url(url))
    table = sa.Table(
        "thing",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("part", sa.Integer, index=True),
        sa.Column("embedding", Embedding(DIMENSIONS, extension_schema=schema)),
    )
    with engine.begin() as connection:
        table.create(connection)
        ids = np.arange(1, ROWS + 1)
        Repository[Any](connection, table).bulk_load({"id": ids, "part": ids % 300, "embedding": VECTORS})
        HnswIndex(table.c.embedding, m=8, ef_construction=32, name="near", **index).create(connection)
        connection.execute(sa.text("ANALYZE thing"))
    return engine, table


@pytest.fixture(scope="module", params=[None, "halfvec", "bit"])
def filled(
    request: pytest.FixtureRequest, databases: Databases, template_database: str
) -> Iterator[tuple[sa.Engine, sa.Table]]:
    """A table with an index, of whole vectors or of a smaller form."""
    name = databases.create(template_database)
    engine, table = _fill(databases.url_of(name), None, quantization=request.param)
    yield engine, table
    engine.dispose()
    databases.drop(name)


def _run(session: Session, table: sa.Table, name: str, **options: Any) -> tuple[Plan, Any]:
    repository = Repository[Any](session, table)
    ASKED[name](repository, **options)
    with explained(session) as plans:
        found = ASKED[name](repository, **options)
    (plan,) = plans
    return plan, found


@pytest.mark.parametrize("name", ASKED)
def test_the_index_finds_the_candidates(filled: tuple[sa.Engine, sa.Table], name: str) -> None:
    """Without a filter the vector index is scanned, no row is compared for the exact answer, and most of that is found."""
    engine, table = filled
    with Session(engine) as session:
        plan, found = _run(session, table, name)
        assert found.receipt.strategy is Strategy.INDEX
        assert "near" in plan.executed_indexes
        assert {node["Actual Loops"] for node in plan.sequential_scans} == {0}
        if name == "context":  # most rows have the score 0, which rows of any part of the table share
            return
        exact = ASKED[name](Repository[Any](session, table), exact=True)
        common = {match.record["id"] for match in found} & {match.record["id"] for match in exact}
        assert len(common) >= (3 if "bit" in str(sa.inspect(engine).get_indexes("thing")) else 6)


@pytest.mark.parametrize("name", ASKED)
def test_few_rows_are_compared_exactly(filled: tuple[sa.Engine, sa.Table], name: str) -> None:
    """Under a filter that passes ten rows the vector index is not scanned, and the answer is exact."""
    engine, table = filled
    with Session(engine) as session:
        plan, found = _run(session, table, name, where={"part": 7})
        assert "near" not in plan.executed_indexes
        assert found.receipt.exact
        assert len(found) == 10


def test_settings_are_put_back(filled: tuple[sa.Engine, sa.Table]) -> None:
    """What a search sets for its index scan is as before for the next statement of the transaction."""
    engine, table = filled
    with Session(engine) as session:
        repository = Repository[Any](session, table)
        repository.search(QUERY)
        settings = sa.text("SELECT current_setting('hnsw.ef_search'), current_setting('hnsw.iterative_scan')")
        before = session.execute(settings).one()
        for ask in ASKED.values():
            ask(repository, ef_search=123)
            assert session.execute(settings).one() == before


def test_extension_in_a_schema_with_a_hostile_name(databases: Databases) -> None:
    """Operators, functions and aggregates of the extension are named with its schema, whatever that is called."""
    name = databases.create()
    url = databases.url_of(name)
    with psycopg.connect(url, autocommit=True) as connection:
        schema = sql.Identifier(ELSEWHERE)
        connection.execute(sql.SQL("CREATE SCHEMA {0}; CREATE EXTENSION vector SCHEMA {0}").format(schema))
    engine, table = _fill(url, ELSEWHERE)
    with Session(engine) as session:
        for ask in ASKED.values():
            assert len(ask(Repository[Any](session, table))) == 10
            assert len(ask(Repository[Any](session, table), where={"part": 7})) == 10
    engine.dispose()
    databases.drop(name)
