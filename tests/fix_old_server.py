"""A server whose pgvector is too old: the wheel ``pgserver`` carries PostgreSQL 16 with pgvector 0.6.2."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from fix_database import Databases
from fix_folder import new_folder
from fix_programs import missing


@pytest.fixture(scope="session")
def old_databases(pytestconfig: pytest.Config) -> Iterator[Databases]:
    """The databases of a server that offers the extension ``vector`` as version 0.6.2 only."""
    try:
        with warnings.catch_warnings():
            # Its dependency platformdirs warns where no runtime directory is set.
            warnings.simplefilter("ignore")
            import pgserver
    except ImportError:
        missing("pgserver is not installed (it has no wheel for this Python or machine): it carries the old pgvector")
    with (
        new_folder(pytestconfig, "old") as folder,
        pgserver.get_server(folder, cleanup_mode="stop") as server,
    ):
        made = Databases(server.get_uri())
        yield made
        made.close()


@pytest.fixture
def old_extension_url(old_databases: Databases) -> Iterator[str]:
    """The libpq URL of a fresh database whose extension ``vector`` is not installed and, once it is, is version 0.6.2."""
    name = old_databases.create()
    yield old_databases.url_of(name)
    old_databases.drop(name)
