"""A server that cannot be used says why, as an error of pgvec."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fix_database import sqlalchemy_url, with_database
from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool

from pgvec import Repository
from pgvec.errors import AuthenticationFailedError, ConnectionFailedError, MappingMismatchError
from pgvec.orm import Embedding


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = mapped_column(Embedding(2))


def search_at(url: str) -> None:
    Repository(create_engine(sqlalchemy_url(url), poolclass=NullPool), Note).search(np.ones(2), limit=1)


def test_server_down(tmp_path: Path) -> None:
    """Where no server listens, the error is a ConnectionFailedError (and an OSError)."""
    with pytest.raises(ConnectionFailedError):
        search_at(f"postgresql://postgres@/postgres?host={tmp_path}")


def test_port_without_a_server() -> None:
    """A closed TCP port gives the same error as a missing socket."""
    with pytest.raises(ConnectionFailedError):
        search_at("postgresql://postgres@127.0.0.1:1/postgres")


def test_wrong_password(password_url: str) -> None:
    """A password that the server refuses gives an AuthenticationFailedError that does not repeat it."""
    wrong = make_url(password_url).set(password="mistaken-secret").render_as_string(hide_password=False)
    with pytest.raises(AuthenticationFailedError) as caught:
        search_at(wrong)
    assert "mistaken-secret" not in str(caught.value)


def test_right_password_reaches_the_table(password_url: str) -> None:
    """With the right password the server answers: the table is what is missing."""
    with pytest.raises(MappingMismatchError, match="note"):
        search_at(password_url)


def test_missing_database(database_url: str) -> None:
    """A database that does not exist is named by its error."""
    with pytest.raises(AuthenticationFailedError, match="no_such_database"):
        search_at(with_database(database_url, "no_such_database"))
