"""One question, one statement: counted by the server itself."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from fix_database import Databases, sqlalchemy_url
from sqlalchemy.orm import Session
from support.models import Article, Author, Base, article_rows, vectors

from pgvec import Repository
from pgvec.facets import histogram
from pgvec.scores import saturate, similarity

QUERY = vectors(1, seed=99)[0]
RESET = "SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()"
SETTINGS = ("hnsw.ef_search", "hnsw.iterative_scan", "hnsw.max_scan_tuples", "ivfflat.probes", "search_path", "jit")


def _fill(session: Session) -> None:
    Base.metadata.create_all(session.connection())
    session.execute(sa.insert(Author), {"id": 1, "name": "A", "country": "DE"})
    session.execute(sa.insert(Article), [row | {"author_id": 1} for row in article_rows(200)])


@pytest.fixture
def database_template(request: pytest.FixtureRequest, databases: Databases, template_database: str) -> str:
    """For the tests that ask for it, a database with two hundred articles."""
    return databases.filled(template_database, _fill) if "counted" in request.fixturenames else template_database


@pytest.fixture
def counted(connection: psycopg.Connection) -> psycopg.Connection:
    """A connection that reads pg_stat_statements, in a database with two hundred articles."""
    preloaded = connection.execute("SHOW shared_preload_libraries").fetchone()
    if preloaded is None or "pg_stat_statements" not in preloaded[0]:
        pytest.skip("the server does not preload pg_stat_statements")
    connection.execute("CREATE EXTENSION pg_stat_statements")
    connection.execute("SET pg_stat_statements.track_utility = off")
    return connection


def _calls(connection: psycopg.Connection) -> dict[str, int]:
    """Return the statements that were executed in this database since the last reset, searches under one name."""
    rows = connection.execute(
        "SELECT CASE WHEN query LIKE '%pgvec_distance%' THEN 'search' ELSE query END, sum(calls)::int"
        " FROM pg_stat_statements JOIN pg_database AS d ON d.oid = dbid"
        " WHERE d.datname = current_database() AND query NOT LIKE '%pg_stat%' GROUP BY 1"
    ).fetchall()
    return dict(rows)


SEARCHES: list[dict[str, Any]] = [
    {},
    {"limit": 100},
    {"where": {"category": "news"}},
    {"where": Article.price < 20},
    {"where": Article.id.in_([1, 2, 3])},
    {"where": Author.country == "DE"},
    {"exact": True},
    {"offset": 5, "max_distance": 1.0},
    {"columns": (Article.id, Article.title)},
    {"include_embedding": True},
    {"ef_search": 100, "where": {"price": {"$gt": 190}}, "limit": 50},
    {"score": similarity() * saturate(Article.price, 100), "where": {"category": "news"}},
    {"order_by": ("-price", Author.country), "candidates": 30},
    {
        "facets": (Article.category, "tags", Author.country, histogram("price", width=50)),
        "where": {"price": {"$lt": 90}},
    },
]


@pytest.mark.parametrize("options", SEARCHES, ids=lambda options: "-".join(options) or "plain")
@pytest.mark.parametrize("by_record", [False, True], ids=["vector", "record"])
def test_a_search_is_one_statement(
    counted: psycopg.Connection, engine: sa.Engine, options: dict[str, Any], by_record: bool
) -> None:
    """Each search, whatever its options, reaches the server as exactly one statement."""
    with Session(engine) as session:
        repository = Repository(session, Article)
        query = repository.get(1) if by_record else QUERY
        repository.search(query, **options)  # warm-up: the facts of the server are asked once
        session.execute(sa.text(RESET))
        for _ in range(10):
            found = repository.search(query, **options)
            assert found.receipt.statements == 1
    assert _calls(counted) == {"search": 10}


@pytest.mark.parametrize("group_by", [("category",), (Author.country, Article.price)], ids=["own", "related"])
def test_a_search_in_groups_is_one_statement(counted: psycopg.Connection, engine: sa.Engine, group_by: Any) -> None:
    """Groups, also those that have to be filled from the table, reach the server as one statement."""
    with Session(engine) as session:
        repository = Repository(session, Article)
        repository.search(QUERY)
        session.execute(sa.text(RESET))
        for candidates in (20, 100):
            for where in (None, {"price": {"$lt": 50}}):
                found = repository.search_groups(
                    QUERY, group_by=group_by, per_group=60, where=where, candidates=candidates
                )
                assert found.receipt.statements == 1
    assert _calls(counted) == {"search": 4}


def test_a_pool_is_left_as_it_was(counted: psycopg.Connection, database_url: str) -> None:
    """After a thousand searches through a pool every connection has the settings that it had before."""
    engine = sa.create_engine(sqlalchemy_url(database_url), pool_size=3, max_overflow=0)

    def settings() -> list[list[str]]:
        opened = [engine.connect() for _ in range(3)]
        for c in opened:
            c.execute(sa.text("LOAD 'vector'"))
        values = [[c.execute(sa.text(f"SHOW {name}")).scalar_one() for name in SETTINGS] for c in opened]
        adapters = [
            len(c.connection.driver_connection.adapters._dumpers_by_oid[0])
            for c in opened  # type: ignore[union-attr]
        ]
        for c in opened:
            c.close()
        return [*values, [str(count) for count in adapters]]

    warm = Repository(engine, Article)
    warm.search(QUERY)
    before = settings()
    for number in range(1000):
        options = SEARCHES[number % len(SEARCHES)]
        Repository(engine, Article).search(QUERY, **options)
    assert settings() == before
    engine.dispose()


def test_nothing_is_registered_on_the_callers_connection(engine: sa.Engine) -> None:
    """A search leaves the adapters of the connection alone: the caller's own vectors arrive as before."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        driver = session.connection().connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        session.execute(sa.insert(Article), article_rows(20))
        before = driver.execute("SELECT embedding FROM article LIMIT 1").fetchone()
        Repository(session, Article).search(QUERY, include_embedding=True)
        after = driver.execute("SELECT embedding FROM article LIMIT 1").fetchone()
        assert before == after
        assert isinstance(before, tuple)
        assert isinstance(before[0], str)


ASKED: dict[str, Any] = {
    "average": lambda r, **o: r.recommend([1, 2, QUERY], [3, {"id": 4}], **o),
    "best_score": lambda r, **o: r.recommend([1, QUERY], [3], strategy="best_score", **o),
    "sum_scores": lambda r, **o: r.recommend([1, QUERY], [3], strategy="sum_scores", **o),
    "discover": lambda r, **o: r.discover(1, [(2, QUERY), (3, 4)], **o),
    "context": lambda r, **o: r.discover(context=[(2, 5), (3, 4)], **o),
    "refine": lambda r, **o: r.refine(QUERY, relevant=[1], irrelevant=[2], **o),
    "feedback": lambda r, **o: r.feedback(QUERY, [(1, 0.9), (2, 0.1)], **o),
    "similar": lambda r, **o: r.similar(1, **o),
    "diverse": lambda r, **o: r.search(QUERY, diversity=0.3, **o),
}


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("options", SEARCHES[:4], ids=lambda options: "-".join(options) or "plain")
def test_a_search_by_examples_is_one_statement(
    counted: psycopg.Connection, engine: sa.Engine, name: str, options: dict[str, Any]
) -> None:
    """Examples that are keys are found by the statement that searches, and diversity is chosen by it."""
    with Session(engine) as session:
        repository = Repository(session, Article)
        ask = ASKED[name]
        ask(repository, **options)
        session.execute(sa.text(RESET))
        for _ in range(5):
            assert ask(repository, **options).receipt.statements == 1
    assert _calls(counted) == {"search": 5}
