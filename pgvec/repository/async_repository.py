"""The repository of one model, on SQLAlchemy's asynchronous API."""

from __future__ import annotations

from typing import TypeVar

from pgvec.repository.async_grouping import AsyncGrouping
from pgvec.repository.async_keyword_searching import AsyncKeywordSearching
from pgvec.repository.async_measuring import AsyncMeasuring
from pgvec.repository.async_recommending import AsyncRecommending
from pgvec.repository.async_searching import AsyncSearching
from pgvec.repository.async_waiting import AsyncWaiting
from pgvec.repository.async_writing import AsyncWriting

__all__ = ["AsyncRepository"]

M = TypeVar("M")


class AsyncRepository(
    AsyncSearching[M],
    AsyncGrouping[M],
    AsyncKeywordSearching[M],
    AsyncRecommending[M],
    AsyncWriting[M],
    AsyncMeasuring[M],
    AsyncWaiting[M],
):
    """Searches and writes the records of one model, in the caller's transaction: :class:`Repository` with ``await``.

    Given a session or a connection, it takes part in its transaction and never commits. Given an engine, every call is a
    transaction of its own. Texts are embedded in a thread, so that the event loop goes on.

    Args:
        bind: An ``AsyncSession``, ``AsyncConnection`` or ``AsyncEngine`` on PostgreSQL through psycopg 3.
        model: A mapped class (SQLAlchemy declarative, imperative, SQLModel) or a ``Table``. Records of a table are mappings.
        column: The embedding column, where the model has several: its name or the attribute.
        distance: The distance, where the model declares none, or another than it declares.
        embedder: Turns a text query into a vector.
        record_filters: Counts the shapes of the filters of searches, for ``advise`` and the doctor.

    Raises:
        MappingError: The model cannot be searched; the subclass says why.
        ConfigurationError: The bind or the embedder cannot be used.
    """
