"""A server whose pgvector is too old: the wheel ``pgserver`` carries PostgreSQL 16 with pgvector 0.6.2."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator

import pytest
from fix_programs import missing


@pytest.fixture(scope="session")
def old_extension_url() -> Iterator[str]:
    """The libpq URL of a database whose extension ``vector`` is not installed and, once it is, is version 0.6.2."""
    try:
        with warnings.catch_warnings():
            # Its dependency platformdirs warns where no runtime directory is set.
            warnings.simplefilter("ignore")
            import pgserver
    except ImportError:
        missing("pgserver is not installed (it has no wheel for this Python or machine): it carries the old pgvector")
    with (
        tempfile.TemporaryDirectory(prefix="pgvec-old-") as folder,
        pgserver.get_server(folder, cleanup_mode="stop") as server,
    ):
        yield server.get_uri()
