"""The repository of one model, on SQLAlchemy's synchronous API."""

from __future__ import annotations

from typing import TypeVar

from pgvec.repository.grouping import Grouping
from pgvec.repository.keyword_searching import KeywordSearching
from pgvec.repository.measuring import Measuring
from pgvec.repository.recommending import Recommending
from pgvec.repository.searching import Searching
from pgvec.repository.waiting import Waiting
from pgvec.repository.writing import Writing

__all__ = ["Repository"]

M = TypeVar("M")


class Repository(Searching[M], Grouping[M], KeywordSearching[M], Recommending[M], Writing[M], Measuring[M], Waiting[M]):
    """Searches and writes the records of one model, in the caller's transaction.

    Given a session or a connection, it takes part in its transaction and never commits. Given an engine, every call is a
    transaction of its own.

    Args:
        bind: A ``Session``, ``Connection`` or ``Engine`` on PostgreSQL through psycopg 3.
        model: A mapped class (SQLAlchemy declarative, imperative, SQLModel) or a ``Table``. Records of a table are mappings.
        column: The embedding column, where the model has several: its name or the attribute.
        distance: The distance, where the model declares none, or another than it declares.
        embedder: Turns a text query into a vector.
        record_filters: Counts the shapes of the filters of searches, for ``advise`` and the doctor.

    Raises:
        MappingError: The model cannot be searched; the subclass says why.
        ConfigurationError: The bind or the embedder cannot be used.
    """
