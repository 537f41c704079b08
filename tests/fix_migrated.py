"""A fresh database for each test that has the schema ``pgvec``, for the modules whose ``database_url`` it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fix_database import Databases

from pgvec.execution import migrate


@pytest.fixture(scope="session")
def migrated_template(databases: Databases) -> Iterator[str]:
    """The name of a database in which every migration was run."""
    name = databases.create()
    migrate.up(databases.url_of(name))
    yield name
    databases.drop(name)


@pytest.fixture
def migrated_url(databases: Databases, migrated_template: str) -> Iterator[str]:
    """The libpq URL of a fresh database with the schema ``pgvec``."""
    name = databases.create(migrated_template)
    yield databases.url_of(name)
    databases.drop(name)
