"""A fresh database for each test, copied from a template that has the extension."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, NullPool, create_engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Session

# What the Docker image of the project runs when it makes a database.
INIT_SQL = Path(__file__).parents[1] / "docker" / "initdb"


def sqlalchemy_url(url: str) -> str:
    """Return the SQLAlchemy form (psycopg 3) of a libpq URL."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def with_database(url: str, name: str) -> str:
    """Return the libpq URL of another database on the same server."""
    return make_url(url).set(drivername="postgresql", database=name).render_as_string(hide_password=False)


class Databases:
    """Makes and drops databases on the server of the run."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection = psycopg.connect(url, autocommit=True)
        self._filled: dict[tuple[str, Callable[[Session], None]], str] = {}

    def create(self, template: str = "template1") -> str:
        """Create a database and return its name, which no other worker or run uses."""
        name = f"pgvec_test_{secrets.token_hex(6)}"
        # WAL_LOG copies a small template without a checkpoint.
        self._connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return name

    def filled(self, template: str, fill: Callable[[Session], None]) -> str:
        """Return the name of a database with what ``fill`` writes, which it does once: tests copy it, which is quicker."""
        if (template, fill) not in self._filled:
            name = self.create(template)
            # Nobody may be connected to a database that is copied.
            engine = create_engine(sqlalchemy_url(self.url_of(name)), poolclass=NullPool)
            with Session(engine) as session:
                fill(session)
                session.commit()
            self._filled[template, fill] = name
        return self._filled[template, fill]

    def drop(self, name: str) -> None:
        """Drop a database together with the connections that a failed test left behind."""
        self._connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def url_of(self, name: str) -> str:
        """Return the libpq URL of a database."""
        return with_database(self._url, name)

    def close(self) -> None:
        """Drop the filled databases and close the maintenance connection."""
        for name in self._filled.values():
            self.drop(name)
        self._connection.close()


@pytest.fixture(scope="session")
def databases(server_url: str) -> Iterator[Databases]:
    """The databases of this worker."""
    made = Databases(server_url)
    yield made
    made.close()


@pytest.fixture(scope="session")
def template_database(databases: Databases) -> Iterator[str]:
    """The name of a database that has the extension ``vector`` and nothing else."""
    name = databases.create()
    with psycopg.connect(databases.url_of(name), autocommit=True) as connection:
        for script in sorted(INIT_SQL.glob("*.sql")):
            connection.execute(script.read_text())
    yield name
    databases.drop(name)


@pytest.fixture
def database_template(template_database: str) -> str:
    """The name of the database that each test gets a copy of; a module whose tests begin with rows names a filled one."""
    return template_database


@pytest.fixture
def database_url(databases: Databases, database_template: str) -> Iterator[str]:
    """The libpq URL of a fresh database with the extension ``vector``."""
    name = databases.create(database_template)
    yield databases.url_of(name)
    databases.drop(name)


@pytest.fixture
def other_database_url(databases: Databases, template_database: str) -> Iterator[str]:
    """The libpq URL of a second fresh database with the extension ``vector``."""
    name = databases.create(template_database)
    yield databases.url_of(name)
    databases.drop(name)


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """The libpq URL of a fresh database without the extension."""
    name = databases.create()
    yield databases.url_of(name)
    databases.drop(name)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A sync engine on the fresh database."""
    made = create_engine(sqlalchemy_url(database_url))
    yield made
    made.dispose()


@pytest.fixture
async def async_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An async engine on the fresh database."""
    made = create_async_engine(sqlalchemy_url(database_url))
    yield made
    await made.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """An open session on the fresh database."""
    with Session(engine) as opened:
        yield opened


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """A psycopg connection in autocommit on the fresh database."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened
