"""What all parts of the repository share: target, driver and embedder."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from pgvec.execution.filter_record import FilterRecord
from pgvec.execution.session import Bind, SessionDriver
from pgvec.model import (
    Distance,
    Embedder,
    Target,
)
from pgvec.orm.reading import read_target
from pgvec.repository import arguments

__all__ = ["RepositoryCore"]

M = TypeVar("M")


class RepositoryCore(Generic[M]):
    """Knows what is searched, and where."""

    def __init__(
        self,
        bind: Bind,
        model: type[M] | sa.Table,
        *,
        column: Any | None = None,
        distance: Distance | str | None = None,
        embedder: Embedder | None = None,
        record_filters: FilterRecord | None = None,
    ) -> None:
        self._driver = SessionDriver(bind, record=arguments.check_record(record_filters))
        self._target = read_target(model, column=column, distance=distance)
        self._embedder = embedder
        if embedder is not None:
            arguments.check_embedder(embedder)

    @property
    def target(self) -> Target:
        """What this repository searches, as it was read from the model."""
        return self._target

    def _embedded(self, query: object) -> object:
        """Embed a query that is a text."""
        if isinstance(query, str) and not arguments.is_vector_text(self._target, query):
            return arguments.embed_query(self._target, self._embedder, query)
        return query
