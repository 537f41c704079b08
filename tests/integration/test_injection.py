"""Hostile texts in every public parameter that a text can reach: each is refused by pgvec, or is data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
import sqlalchemy as sa
from fix_database import sqlalchemy_url
from fix_level import FULL
from fix_repository import World
from support.injection import PAYLOADS, canary_lives, fingerprint, plant_canary
from support.injection_cases import (
    BY_METHOD,
    DECLARATIONS,
    FILES,
    FUNCTIONS,
    QUERY,
    VALUES,
    Base,
    Declaration,
    Note,
    attack,
    share,
)
from support.text_parameters import takes_arguments, text_parameters

import pgvec
import pgvec.facets
import pgvec.orm
import pgvec.scores
from pgvec import AsyncRepository, Repository
from pgvec.errors import PgvecError
from pgvec.orm import Embedding, HnswIndex, SetStorage

# What SQLAlchemy calls with values of its own, or what only makes a value of Python.
HOOKS = {
    "Embedding.compare_values.x",
    "Embedding.compare_values.y",
    "Embedding.describe.attribute",
    "Embedding.describe.name",
    "Embedding.get_col_spec._kw",
    "Embedding.result_processor.coltype",
}


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """Keyword search needs the schema ``pgvec``."""
    return migrated_url


def test_every_parameter_has_a_case() -> None:
    """What a text can reach is known: a new public parameter fails here until the corpus is run against it."""
    found = set()
    for module in (pgvec, pgvec.facets, pgvec.orm, pgvec.scores):
        for name in module.__all__:
            exported = getattr(module, name)
            if takes_arguments(exported):
                found |= set(text_parameters(exported, name))
    repositories = {f"{cls.__name__}.{case}" for cls in (Repository, AsyncRepository) for case in BY_METHOD}
    assert found - HOOKS == repositories | set(FILES) | set(FUNCTIONS) | set(DECLARATIONS) | set(VALUES)


@contextmanager
def guarded(url: str) -> Iterator[None]:
    """Assert that the block changes neither the canary nor the schema."""
    with psycopg.connect(url, autocommit=True) as observer:
        plant_canary(observer)
        before = fingerprint(observer)
        yield
        assert canary_lives(observer)
        assert fingerprint(observer) == before


@pytest.mark.parametrize("method", dict.fromkeys(parameter.partition(".")[0] for parameter in BY_METHOD))
async def test_repositories(world: World, database_url: str, method: str) -> None:
    """No text in any parameter of a repository becomes SQL, or an error that is not pgvec's; it is stored as it is."""
    await world.create_all(Base)
    await world.execute(sa.text("SELECT pgvec.create_keyword_index('note', '{title}')"))
    await world.repository(Note, column="embedding").insert({"id": "first", "title": "a", "embedding": QUERY})
    await world.commit()
    with guarded(database_url):
        for parameter, cases in BY_METHOD.items():
            if parameter.partition(".")[0] == method:
                await attack(world, cases, payloads=share(world))


async def test_readers(world: World, database_url: str) -> None:
    """No text in a parameter of a reader becomes SQL; a path that does not exist says so."""
    await world.create_all(Base)
    with guarded(database_url):
        for parameter, cases in FILES.items():
            accepted = (OSError,) if parameter.endswith("source") else ()
            await attack(world, cases, *accepted, payloads=share(world) if FULL else 3 * share(world))


def test_functions(database_url: str) -> None:
    """No text in a parameter of a function on an engine becomes SQL."""
    engine = sa.create_engine(sqlalchemy_url(database_url))
    Base.metadata.create_all(engine)
    with guarded(database_url):
        for cases in FUNCTIONS.values():
            for number, payload in enumerate(PAYLOADS[:: 1 if FULL else 10]):
                with suppress(PgvecError):
                    cases[number % len(cases)](engine, payload)
    engine.dispose()


def test_values() -> None:
    """A text where a score or facet takes a column, a time or a number is refused, or is data, before anything is sent."""
    for makers in VALUES.values():
        for payload in PAYLOADS:
            for make in makers:
                with suppress(PgvecError):
                    make(payload)


def test_declarations(database_url: str) -> None:
    """A text in a declaration is refused, or is quoted where it becomes part of DDL."""
    engine = sa.create_engine(sqlalchemy_url(database_url))
    with guarded(database_url), engine.connect() as connection:
        for declarations in DECLARATIONS.values():
            for number, payload in enumerate(PAYLOADS):
                for declare in declarations:
                    create = FULL or number % 5 == 0
                    _declare(connection if create else None, declare, payload)
    engine.dispose()


def _declare(connection: sa.Connection | None, declare: Declaration, payload: str) -> None:
    """Declare, and create where a connection is given; then the server may refuse a name that is none."""
    refused = (
        psycopg.errors.UndefinedObject,
        psycopg.errors.InvalidSchemaName,
        psycopg.errors.InvalidName,
        psycopg.errors.DuplicateTable,
        psycopg.DataError,
        # libpq ends a statement at a NUL, within the quotes of the name.
        *([psycopg.errors.SyntaxError] if "\0" in payload or not payload else []),
    )
    try:
        declared = declare(payload)
        if connection is not None and isinstance(declared, sa.Table):
            declared.create(connection)
        elif connection is not None and isinstance(declared, SetStorage):
            connection.execute(declared)
    except (PgvecError, sa.exc.IdentifierError, UnicodeEncodeError):
        pass
    except sa.exc.DBAPIError as exc:
        if not isinstance(exc.orig, refused):
            raise
    if connection is not None:
        connection.rollback()


def _can_be_a_name(text: str) -> bool:
    """Whether Postgres takes a text as a name that is not in use, and SQLAlchemy does not read it as a mark of its own."""
    taken = text in {"canary", "ctid", "xmin", "tableoid", "oid"} or text.startswith(("pg_", "__[POSTCOMPILE"))
    return not taken and "\0" not in text and 0 < len(text.encode(errors="surrogatepass")) <= 63 and text.isprintable()


@pytest.mark.parametrize("part", range(4))
def test_names_of_tables_and_columns(database_url: str, part: int) -> None:
    """Whatever a table and its columns are called, they are searched and written like any other."""
    engine = sa.create_engine(sqlalchemy_url(database_url))
    names = [payload for payload in PAYLOADS if _can_be_a_name(payload)][part :: 4 if FULL else 40]
    with guarded(database_url), engine.connect() as connection:
        for name in names:
            table = sa.Table(
                name,
                sa.MetaData(),
                sa.Column("key " + name[:55], sa.Integer, primary_key=True, key="id"),
                sa.Column(name, sa.Text, unique=True, key="text"),
                sa.Column("vector " + name[:50], Embedding(3), key="embedding"),
                HnswIndex("embedding", name="ix"),
            )
            table.create(connection)
            repository = Repository(connection, table)
            rows = [{"id": number, "text": f"{name}{number}", "embedding": QUERY} for number in range(3)]
            assert repository.insert(rows[:1]) == [0]
            assert repository.bulk_load(rows, on_conflict="update").inserted == 2
            assert repository.upsert(rows, key="text") == [0, 1, 2]
            assert repository.update({"id": 1, "text": "x"}) == 1
            found = repository.search(QUERY, where={"text": {"$ne": "x"}})
            assert [match.record["text"] for match in found] == [f"{name}0", f"{name}2"]
            connection.rollback()
    engine.dispose()
