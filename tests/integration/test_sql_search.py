"""``pgvec.search`` returns what the repository returns, for roles that may do nothing else than read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from fix_database import Databases
from fix_level import examples
from psycopg import sql
from sqlalchemy.orm import Session
from support.golden import LIMIT, QUERY, SHAPES, Shape, golden_database, true_ids
from support.searched_table import Searched, fill_searched
from support.sql_searches import as_json, searches

from pgvec import Repository
from pgvec.errors import InvalidFilterError

SEARCH = "SELECT id::int, distance FROM pgvec.search(%s, %s, %s::jsonb, %s, columns => '{id}', exact => %s)"
GOLDEN_QUERY = "[" + ",".join(map(str, QUERY)) + "]"


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """The functions are a part of the schema ``pgvec``."""
    return migrated_url


@pytest.fixture
def reader(login_role: str, engine: sa.Engine) -> Iterator[Session]:
    """A session of a role that may read the tables and call the functions, which others may not."""
    fill_searched(engine, seed=5, count=400)
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        for statement in (
            "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgvec FROM PUBLIC",
            "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgvec TO {}",
            "GRANT SELECT ON searched TO {}",
        ):
            driver.execute(sql.SQL(statement).format(sql.Identifier(login_role)))
    own = sa.create_engine(engine.url.set(username=login_role, password=login_role))
    with Session(own) as session:
        yield session
    own.dispose()
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        driver.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(login_role)))


def found(session: Session, *arguments: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in session.connection().exec_driver_sql(SEARCH, arguments)]


def test_random_searches_find_what_the_repository_finds(reader: Session):
    """A thousand random queries and filters: the same keys and distances in the same order."""
    repository = Repository(reader, Searched)
    telling = 0
    count = examples(dev=150, full=1_000)
    for number, (query, where, limit) in enumerate(searches(9, count)):
        exact = number % 4 == 0
        vector = [float(part) for part in query[1:-1].split(",")]
        matches = repository.search(vector, where=where, limit=limit, exact=exact, columns=("id",))
        expected = [(match.record.id, match.distance) for match in matches]
        assert found(reader, "searched", query, as_json(where), limit, exact) == expected, as_json(where)
        telling += 0 < len(expected) < limit
    assert telling > count // 6


def test_psql_prints_what_the_repository_finds(reader: Session, login_role: str, ask_psql: Callable[[str, str], str]):
    """The same through psql, where a literal is the query."""
    repository = Repository(reader, Searched)
    url = reader.connection().engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    asked = list(searches(4, 12))
    script = "".join(
        sql.SQL(
            "SELECT coalesce(string_agg(id::text || ' ' || distance::text, ',' ORDER BY rank), '-')"
            " FROM pgvec.search('searched', {}, filter => {}, max_rows => {});\n"
        )
        .format(query, as_json(where), limit)
        .as_string(None)
        for query, where, limit in asked
    )
    answers = ask_psql(url, script).splitlines()
    for (query, where, limit), answer in zip(asked, answers, strict=True):
        matches = repository.search([float(part) for part in query[1:-1].split(",")], where=where, limit=limit)
        assert answer == (",".join(f"{match.record.id} {match.distance!r}" for match in matches) or "-")


WRONG = [
    "[]",
    '"category"',
    '{"none": 1}',
    '{"": 1}',
    '{"word": {}}',
    '{"word": ["a"]}',
    '{"word": {"$regex": "a"}}',
    '{"word": {"a": 1}}',
    '{"word": {"$not": 1}}',
    '{"word": 1}',
    '{"word": {"$in": "a"}}',
    '{"word": {"$in": [null]}}',
    '{"word": {"$lt": null}}',
    '{"word": {"$like": "a\\\\"}}',
    '{"word": {"$exists": 1}}',
    '{"word.a": 1}',
    '{"a..b": 1}',
    '{"metadata.\\\\x": 1}',
    '{"$regex": 1}',
    '{"$and": {}}',
    '{"$or": [1]}',
    '{"$not": []}',
    '{"quantity": "1"}',
    '{"quantity": true}',
    '{"quantity": {"$between": [1]}}',
    '{"quantity": {"$like": "1"}}',
    '{"quantity": {"$contains": 1}}',
    '{"flag": 1}',
    '{"flag": {"$lt": true}}',
    '{"day": "2024-02-30x"}',
    '{"day": "2024-01-01T00:00:00"}',
    '{"local": "2024-01-01T00:00:00Z"}',
    '{"moment": "2024-01-01T00:00:00"}',
    '{"clock": "25:00"}',
    '{"duration": "1 day"}',
    '{"uid": "x"}',
    '{"mood": "FINE"}',
    '{"mood": {"$lt": "GOOD"}}',
    '{"tags": "a"}',
    '{"tags": {"$in": ["a"]}}',
    '{"tags": {"$eq": [null]}}',
    '{"numbers": {"$contains": "a"}}',
    '{"metadata": {"$overlaps": [[1]]}}',
    '{"metadata.n": {"$between": [1, "a"]}}',
    '{"metadata.n": {"$lt": true}}',
    '{"embedding": {"$eq": 1}}',
]


@pytest.mark.parametrize("text", WRONG)
def test_what_the_library_refuses_is_refused(engine: sa.Engine, text: str):
    """A filter that the library refuses raises with a message of its own, not with an error of SQL."""
    fill_searched(engine, seed=1, count=1)
    with Session(engine) as session:
        try:
            Repository(session, Searched).search([1.0] * 8, where=json.loads(text))
        except InvalidFilterError:
            pass
        else:
            pytest.fail("the library takes it")
        with pytest.raises(sa.exc.DBAPIError) as caught:
            found(session, "searched", str([1.0] * 8), text, 1, False)
    assert caught.value.orig.sqlstate in {"22023", "42703", "22008"}


def test_limits_of_a_filter(engine: sa.Engine):
    """Nesting deeper than 32 levels, more than 10,000 conditions and numbers beyond double precision are refused."""
    fill_searched(engine, seed=1, count=1)
    nested: dict[str, Any] = {"flag": True}
    for _ in range(33):
        nested = {"$not": nested}
    for text, message in (
        (json.dumps(nested), "nested deeper"),
        (json.dumps({"$or": [{"flag": True}] * 10_001}), "10,000 conditions"),
        ('{"quantity": 1e309}', "double precision"),
        ('{"metadata": {"$contains": {"a": [1e309]}}}', "double precision"),
        (json.dumps({"metadata": {"$eq": json.loads("[" * 34 + "]" * 34)}}), "nested deeper"),
    ):
        with Session(engine) as session, pytest.raises(sa.exc.DBAPIError, match=message):
            found(session, "searched", str([1.0] * 8), text, 1, False)


# The golden corpus


@pytest.fixture(scope="module")
def golden(databases: Databases, migrated_template: str) -> Iterator[tuple[sa.Engine, sa.Table, str]]:
    """The table of the corpus, with a policy for one role that may read it."""
    with golden_database(databases, migrated_template) as made:
        yield made


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@pytest.mark.parametrize("as_tenant", [False, True])
def test_the_golden_corpus(golden: tuple[sa.Engine, sa.Table, str], shape: Shape, as_tenant: bool):
    """Every shape is answered completely, as the repository answers it; exactly, what was asked for so."""
    engine, table, role = golden
    # An engine of its own, so that it knows nothing of what the owner may see.
    own = sa.create_engine(engine.url, poolclass=sa.NullPool)
    with Session(own) as session:
        if as_tenant:
            session.connection().connection.driver_connection.execute(
                sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role))
            )
        repository = Repository(session, table, distance="l2")
        where = json.dumps(shape.filter)
        for exact in (False, True):
            matches = repository.search(QUERY, where=shape.filter, limit=LIMIT, exact=exact, columns=("id",))
            rows = found(session, "golden", GOLDEN_QUERY, where, LIMIT, exact)
            assert len(rows) == len(matches)
            if matches.receipt.exact or matches.receipt.strategy == "index":
                assert rows == [(match.record.id, match.distance) for match in matches]
        if not as_tenant:
            assert [row[0] for row in rows] == true_ids(session.connection(), shape)
            assert len(rows) == min(LIMIT, shape.matching)


def test_the_way_of_the_golden_corpus(golden: tuple[sa.Engine, sa.Table, str]):
    """The function asks the vector index where the corpus says so, and leaves it alone where not."""
    engine, _, _ = golden
    scans = "SELECT pg_stat_get_xact_numscans('golden_embedding'::regclass)"
    asked = set()
    with Session(engine) as session:
        found(session, "golden", GOLDEN_QUERY, "{}", 1, False)
        for shape in SHAPES:
            before = session.connection().exec_driver_sql(scans).scalar_one()
            found(session, "golden", GOLDEN_QUERY, json.dumps(shape.filter), LIMIT, False)
            if session.connection().exec_driver_sql(scans).scalar_one() > before:
                asked.add(shape.name)
    intended = {shape.name for shape in SHAPES if shape.strategy == "index"}
    undecided = {shape.name for shape in SHAPES if shape.strategy is None}
    assert asked - undecided <= intended
    # On so small a table Postgres may guess that to sort what passes is cheaper, where it guesses at the filter.
    assert {"no filter", "common value", "wide range", "boolean", "two common values"} <= asked


def test_settings_are_as_they_were(golden: tuple[sa.Engine, sa.Table, str]):
    """A search leaves no setting behind, and an error neither."""
    engine, _, _ = golden
    names = ("hnsw.ef_search", "hnsw.iterative_scan", "hnsw.max_scan_tuples", "enable_sort", "jit", "search_path")
    settings = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
    with Session(engine) as session:
        connection = session.connection()
        found(session, "golden", GOLDEN_QUERY, "{}", 1, False)
        connection.exec_driver_sql("SET LOCAL hnsw.ef_search = 77")
        before = connection.exec_driver_sql(settings).one()
        found(session, "golden", GOLDEN_QUERY, '{"price": {"$gte": 300}}', 100, False)
        assert connection.exec_driver_sql(settings).one() == before
        with pytest.raises(sa.exc.DBAPIError, match="expected 16 dimensions"), session.begin_nested():
            found(session, "golden", "[1,2]", '{"price": {"$gte": 300}}', 100, False)
        assert connection.exec_driver_sql(settings).one() == before


def test_one_snapshot(golden: tuple[sa.Engine, sa.Table, str]):
    """All statements of a call see the same rows: the functions are not volatile."""
    engine, _, _ = golden
    with engine.connect() as connection:
        volatile = connection.exec_driver_sql(
            "SELECT array_agg(proname) FROM pg_proc WHERE pronamespace = 'pgvec'::regnamespace AND provolatile = 'v'"
            " AND proname ~ '^_?(search|similar|recommend|mmr|recall|inspect|hybrid|filter)'"
        ).scalar_one()
    assert volatile is None


def test_the_ways_to_give_a_query(golden: tuple[sa.Engine, sa.Table, str]):
    """A literal, a vector, an array of numbers and JSON are the same query."""
    engine, _, _ = golden
    array = "{" + GOLDEN_QUERY[1:-1] + "}"
    with engine.connect() as connection:
        answers = {
            str(connection.exec_driver_sql(f"SELECT id, distance FROM pgvec.search('golden', {query})").all())
            for query in (
                f"'{GOLDEN_QUERY}'",
                f"'{GOLDEN_QUERY}'::vector",
                f"'{array}'::float8[]",
                f"'{GOLDEN_QUERY}'::jsonb",
            )
        }
    assert len(answers) == 1


def test_options_of_a_search(golden: tuple[sa.Engine, sa.Table, str]):
    """Pages, a greatest distance, the columns shown, and the settings of the index."""
    engine, _, _ = golden

    def ask(options: str) -> list[Any]:
        with engine.connect() as connection:
            return list(
                connection.exec_driver_sql(f"SELECT * FROM pgvec.search('golden', '{GOLDEN_QUERY}', {options})")
            )

    first = ask("max_rows => 20, exact => true")
    assert [row.id for row in ask("max_rows => 10, skip_rows => 10, exact => true")] == [row.id for row in first[10:]]
    assert [row.rank for row in ask("max_rows => 10, skip_rows => 10")] == list(range(11, 21))
    assert len(ask(f"max_distance => {first[4].distance!r}, exact => true")) == 5
    assert first[0].record["category"] == "news"
    assert "embedding" not in first[0].record
    (shown,) = ask("max_rows => 1, columns => '{id,embedding}', ef_search => 400")
    assert set(shown.record) == {"id", "embedding"}
    for wrong in (
        "max_rows => 0",
        "ef_search => 0",
        "skip_rows => -1",
        "columns => '{none}'",
        "distance_by => 'jaccard'",
    ):
        with pytest.raises(sa.exc.DBAPIError):
            ask(wrong)


def test_zero_and_missing_queries(golden: tuple[sa.Engine, sa.Table, str]):
    """NULL is refused; a vector of zeros only where it has to have a direction."""
    engine, _, _ = golden
    zeros = str([0] * 16)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(f"SELECT count(*) FROM pgvec.search('golden', '{zeros}')").scalar_one() == 10
        for arguments, message in (
            (f"'{zeros}', distance_by => 'cosine'", "no direction"),
            ("NULL", "is NULL"),
            ("NULL::vector", "is NULL"),
        ):
            with pytest.raises(sa.exc.DBAPIError, match=message), connection.begin_nested():
                connection.exec_driver_sql(f"SELECT * FROM pgvec.search('golden', {arguments})")


def test_a_writing_transaction_sees_its_own_rows(engine: sa.Engine):
    """A search within a transaction finds what the transaction has written."""
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("CREATE TABLE item (id int PRIMARY KEY, embedding vector(2))")
        asked = "SELECT id::int FROM pgvec.search('item', '[1,0]', distance_by => 'cosine')"
        assert connection.exec_driver_sql(asked).all() == []
        connection.exec_driver_sql("INSERT INTO item VALUES (1, '[1,0]'), (2, NULL)")
        assert connection.exec_driver_sql(asked).scalars().all() == [1]
        with pytest.raises(sa.exc.DBAPIError, match="which distance") as caught, connection.begin_nested():
            connection.exec_driver_sql("SELECT * FROM pgvec.search('item', '[1,0]')")
        assert "distance_by" in str(caught.value.orig.diag.message_hint)
        assert isinstance(caught.value.orig, psycopg.DataError)
