"""Each mistake has an error of its own, whose message names the value and the way out.

Servers that cannot be reached: ``test_connection_errors.py``. Missing extras: the tests of the embedded server, of the embedders and
of the command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from fix_database import sqlalchemy_url
from fix_repository import World
from psycopg import sql
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from support.models import Article, Base, article_rows, vectors

from pgvec import Repository, errors
from pgvec.orm import Embedding

QUERY = vectors(1, seed=99)[0]


class NotMapped:
    """A class that SQLAlchemy does not know."""


TWO = sa.Table(
    "two",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("small", Embedding(2)),
    sa.Column("large", Embedding(3)),
)


def with_element(value: float) -> list[float]:
    """A query with one strange element."""
    return [1.0, 2.0, value, 4.0, 5.0, 6.0, 7.0, 8.0]


SEARCHES: dict[str, tuple[Any, dict[str, Any], type[errors.PgvecError], list[str]]] = {
    "wrong dimensions": (
        [1.0] * 7,
        {},
        errors.DimensionMismatchError,
        ["7 dimensions", "8", "embed it with the model"],
    ),
    "NaN": (with_element(float("nan")), {}, errors.InvalidInputError, ["nan as element 2", "division by zero"]),
    "infinite": (
        with_element(float("-inf")),
        {},
        errors.InvalidInputError,
        ["-inf as element 2", "finite numbers only"],
    ),
    "zero vector": ([0.0] * 8, {}, errors.InvalidInputError, ["zero", "cosine", "scale it"]),
    "too large": (with_element(1e60), {}, errors.InvalidInputError, ["1e+60 as element 2", "scale the vector"]),
    "empty text": (" \n ", {}, errors.InvalidInputError, ["empty text", "at least one word"]),
    "empty vector": ([], {}, errors.InvalidInputError, ["empty"]),
    "nothing": (None, {}, errors.InvalidInputError, ["None", "give a vector"]),
    "text without embedder": ("quick fox", {}, errors.ConfigurationError, ["'quick fox'", "embedder="]),
    "limit 0": (QUERY, {"limit": 0}, errors.InvalidOptionError, ["limit", "between 1 and 100000", "not 0"]),
    "negative limit": (QUERY, {"limit": -5}, errors.InvalidOptionError, ["limit", "between 1 and", "-5"]),
    "huge limit": (QUERY, {"limit": 10**9}, errors.InvalidOptionError, ["limit", "100000", "1000000000"]),
    "limit as text": (QUERY, {"limit": "10"}, errors.InvalidOptionError, ["limit", "whole number", "'10'"]),
    "unknown key": (QUERY, {"where": {"titel": "x"}}, errors.InvalidFilterError, ["'titel'", "title"]),
    "unknown operator": (QUERY, {"where": {"title": {"$is": 1}}}, errors.InvalidFilterError, ["'$is'", "$eq"]),
    "$in with a string": (
        QUERY,
        {"where": {"title": {"$in": "abc"}}},
        errors.InvalidFilterError,
        ["$in", "'abc'", "list"],
    ),
    "wrong type": (QUERY, {"where": {"price": "cheap"}}, errors.InvalidFilterError, ["'price'", "'cheap'"]),
    "no condition": (QUERY, {"where": "price < 3"}, errors.InvalidFilterError, ["price < 3"]),
    "unknown column": (QUERY, {"columns": ("titel",)}, errors.InvalidOptionError, ["'titel'", "title"]),
}


@pytest.mark.parametrize("mistake", SEARCHES)
def test_searches(mistake: str) -> None:
    """A mistake in a search is told without a server: nothing is sent."""
    query, options, kind, parts = SEARCHES[mistake]
    repository = Repository(sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none"), Article)
    with pytest.raises(errors.PgvecError) as caught:
        repository.search(query, **options)
    assert type(caught.value) is kind
    assert_names(caught.value, parts)


DECLARATIONS: dict[str, tuple[Any, dict[str, Any], type[errors.PgvecError], list[str]]] = {
    "unmapped class": (NotMapped, {}, errors.MappingError, ["'NotMapped'", "mapped class or a Table"]),
    "an instance": (Article(id=1), {}, errors.MappingError, ["Article instead of one of its records"]),
    "two embeddings": (TWO, {}, errors.AmbiguousColumnError, ["'two'", "'small', 'large'", "column="]),
    "no such column": (Article, {"column": "titel"}, errors.NotAnEmbeddingColumnError, ["'titel'", "'embedding'"]),
    "no such distance": (Article, {"distance": "near"}, errors.InvalidOptionError, ["'near'", "'cosine'"]),
    "another type's distance": (Article, {"distance": "hamming"}, errors.InvalidOptionError, ["hamming", "vector"]),
    "no embedder": (Article, {"embedder": str.upper}, errors.ConfigurationError, ["is no embedder", "embed"]),
}


@pytest.mark.parametrize("mistake", DECLARATIONS)
def test_repositories(mistake: str) -> None:
    """A repository that cannot work is refused when it is made."""
    model, options, kind, parts = DECLARATIONS[mistake]
    with pytest.raises(errors.PgvecError) as caught:
        Repository(sa.create_engine("postgresql+psycopg://"), model, **options)
    assert type(caught.value) is kind
    assert_names(caught.value, parts)


@pytest.mark.parametrize(
    ("bind", "parts"),
    [
        ("postgresql://localhost/x", ["Engine", "str"]),
        (psycopg.Connection, ["Engine", "type"]),
        (None, ["Engine", "NoneType"]),
    ],
)
def test_binds(bind: Any, parts: list[str]) -> None:
    """What is no session, connection or engine is refused by name."""
    with pytest.raises(errors.ConfigurationError) as caught:
        Repository(bind, Article)
    assert_names(caught.value, parts)


def test_engine_of_another_driver() -> None:
    """An engine for another database says which URL is needed."""
    with pytest.raises(errors.ConfigurationError) as caught:
        Repository(sa.create_engine("sqlite://"), Article).search(QUERY)
    assert_names(caught.value, ["sqlite", "postgresql+psycopg://"])


def assert_names(error: errors.PgvecError, parts: list[str]) -> None:
    """Assert that a message contains its parts."""
    for part in parts:
        assert part in str(error)


@pytest.fixture
async def articles(world: World) -> Any:
    """A repository with three committed articles."""
    await world.create_all(Base)
    repository = world.repository(Article)
    await repository.insert(article_rows(3))
    await world.commit()
    return repository


async def test_missing_records(articles: Any) -> None:
    """A record that is not there is named by its key."""
    with pytest.raises(errors.RecordNotFoundError, match=r"article has the key 99"):
        await articles.get(99)
    with pytest.raises(errors.RecordNotFoundError, match=r"1 of 2 rows .* key 98; nothing was updated"):
        await articles.update([{"id": 1, "title": "x"}, {"id": 98, "title": "y"}])


async def test_read_only_transaction(world: World, articles: Any) -> None:
    """A transaction that may only read is searched as ever; a write says what forbids it."""
    await world.execute(sa.text("SET TRANSACTION READ ONLY"))
    assert len(await articles.search(QUERY)) == 3
    with pytest.raises(errors.AccessDeniedError, match="read-only") as caught:
        await articles.insert({"id": 4, "title": "x"})
    assert caught.value.sqlstate == "25006"
    assert len(await articles.search(QUERY)) == 3
    with pytest.raises(errors.AccessDeniedError, match="read-only"):
        await articles.bulk_load([{"id": 4, "title": "x"}])


async def test_read_only_role(login_role: str, world: World, articles: Any) -> None:
    """A role with SELECT alone searches; what it may not do is an AccessDeniedError, and its transaction goes on."""
    role = sql.Identifier(login_role).as_string(None)
    await world.execute(sa.text(f"GRANT SELECT ON article TO {role}"))
    await world.execute(sa.text(f"SET LOCAL ROLE {role}"))
    assert len(await articles.search(QUERY, where={"price": {"$gt": 1}})) == 2
    writes = [
        articles.insert({"id": 4, "title": "x"}),
        articles.upsert({"id": 1, "title": "x"}),
        articles.delete({"id": 1}),
        articles.bulk_load([{"id": 4, "title": "x"}]),
    ]
    for write in writes:
        with pytest.raises(errors.AccessDeniedError, match="GRANT") as caught:
            await write
        assert caught.value.sqlstate == "42501"
        assert len(await articles.search(QUERY)) == 3
    await world.rollback()


async def test_role_without_any_privilege(login_role: str, world: World, articles: Any) -> None:
    """A role that may not even read is told so by a search."""
    await world.execute(sa.text(f"SET LOCAL ROLE {sql.Identifier(login_role).as_string(None)}"))
    with pytest.raises(errors.AccessDeniedError, match="article"):
        await articles.search(QUERY)
    await world.rollback()


async def test_statement_timeout(world: World, articles: Any) -> None:
    """A statement that the server cancels for its time raises QueryTimeoutError, which is a TimeoutError."""
    await world.execute(sa.text("SET LOCAL statement_timeout = '20ms'"))
    slow = sa.func.pg_sleep(5).cast(sa.Text) == ""
    with pytest.raises(errors.QueryTimeoutError) as caught:
        await articles.search(QUERY, where=slow)
    assert isinstance(caught.value, TimeoutError)
    await world.rollback()
    assert len(await articles.search(QUERY)) == 3


async def test_missing_table(world: World) -> None:
    """A table that the database does not have points at the migrations."""
    for call in (
        lambda repository: repository.search(QUERY),
        lambda repository: repository.insert({"title": "x"}),
        lambda repository: repository.bulk_load([{"title": "x"}]),
    ):
        with pytest.raises(errors.MappingMismatchError, match="migrations") as caught:
            await call(world.repository(Article))
        assert_names(caught.value, ["article"])
        await world.rollback()


async def test_missing_column(world: World, articles: Any) -> None:
    """A column that the database does not have is named."""
    await world.execute(sa.text("ALTER TABLE article DROP COLUMN price"))
    with pytest.raises(errors.MappingMismatchError, match="price"):
        await articles.search(QUERY)
    await world.rollback()


def note_at(url: str) -> Iterator[Repository[Any]]:
    """A repository on a server, one connection for each call."""
    table = sa.Table(
        "note", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("embedding", Embedding(2))
    )
    engine = sa.create_engine(sqlalchemy_url(url), poolclass=NullPool)
    yield Repository(engine, table)
    engine.dispose()


def test_missing_extension(empty_database_url: str) -> None:
    """Without the extension the error says how to get it."""
    for repository in note_at(empty_database_url):
        with pytest.raises(errors.ExtensionMissingError) as caught:
            repository.search([1.0, 2.0])
        assert_names(caught.value, ["'vector'", "not installed in this database", "CREATE EXTENSION vector"])


def test_extension_that_appears_later(empty_database_url: str) -> None:
    """A missing extension is looked for again on the next call, not remembered."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        for repository in note_at(empty_database_url):
            with pytest.raises(errors.ExtensionMissingError):
                repository.search([1.0, 2.0])
            connection.execute("CREATE EXTENSION vector")
            connection.execute("CREATE TABLE note (id int PRIMARY KEY, embedding vector(2))")
            assert len(repository.search([1.0, 2.0])) == 0


def test_extension_too_old(old_extension_url: str) -> None:
    """An extension that is too old is refused with both versions and the way to update it."""
    with psycopg.connect(old_extension_url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    for repository in note_at(old_extension_url):
        with pytest.raises(errors.ExtensionTooOldError) as caught:
            repository.search([1.0, 2.0])
        assert (caught.value.installed, caught.value.required) == ("0.6.2", "0.8.0")
        assert_names(caught.value, ["0.6.2", "0.8.0", "ALTER EXTENSION vector UPDATE"])


def test_writes_that_the_server_refuses(engine: sa.Engine) -> None:
    """Errors of constraints carry SQLSTATE and constraint; the session can be used after them."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        repository = Repository(session, Article)
        repository.insert({"id": 1, "title": "one"})
        for rows, kind, state in (
            ({"id": 1, "title": "again"}, errors.DuplicateRecordError, "23505"),
            ({"id": 2, "title": None}, errors.QueryError, "23502"),
            ({"id": 2, "title": "x", "author_id": 7}, errors.QueryError, "23503"),
            ({"id": 2**40, "title": "x"}, errors.InvalidInputError, "22003"),
        ):
            with pytest.raises(kind) as caught:
                repository.insert(rows)
            assert caught.value.sqlstate == state
        with pytest.raises(errors.InvalidOptionError, match="unique constraint"):
            repository.upsert({"title": "x"}, key="title")
        assert repository.count() == 1


def test_numpy_values_are_refused_or_understood(engine: sa.Engine) -> None:
    """A NumPy number as limit is a number; an array is none."""
    Base.metadata.create_all(engine)
    repository = Repository(engine, Article)
    repository.bulk_load(article_rows(5))
    assert len(repository.search(QUERY, limit=np.int64(3), max_distance=np.float32(5))) == 3
    with pytest.raises(errors.InvalidOptionError, match="whole number"):
        repository.search(QUERY, limit=np.array([3, 4]))
