"""What all parts of the asynchronous repository share: target, driver and embedder."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from pgvec.execution.async_session import AsyncBind, AsyncSessionDriver
from pgvec.execution.filter_record import FilterRecord
from pgvec.model import (
    Distance,
    Embedder,
    InputKind,
    Matches,
    Target,
)
from pgvec.operations.aim import Aim, aim, choose_aim
from pgvec.operations.rerank import with_texts
from pgvec.orm.reading import read_target
from pgvec.repository import arguments, embedded_queries, rerank_arguments
from pgvec.statements.requests import Request

__all__ = ["AsyncRepositoryCore"]

M = TypeVar("M")


class AsyncRepositoryCore(Generic[M]):
    """Knows what is searched, and where."""

    def __init__(
        self,
        bind: AsyncBind,
        model: type[M] | sa.Table,
        *,
        column: Any | None = None,
        distance: Distance | str | None = None,
        embedder: Embedder | Sequence[Embedder] | None = None,
        record_filters: FilterRecord | None = None,
    ) -> None:
        self._driver = AsyncSessionDriver(bind, record=arguments.check_record(record_filters))
        self._target = read_target(model, column=column, distance=distance)
        self._embedders = embedded_queries.as_embedders(embedder)
        self._embedder = self._embedders[0] if self._embedders else None

    @property
    def target(self) -> Target:
        """What this repository searches, as it was read from the model."""
        return self._target

    async def _embedded(self, query: object) -> tuple[Target, Any, int]:
        """Embed a query that is a text, a picture or a sound, by the model of the column that answers it.

        Returns:
            What to search, the query, and how many statements it took to learn where.
        """
        kind = arguments.question_kind(self._target, query)
        if kind is None:
            return self._target, query, 0
        arguments.check_question(self._embedder, query)
        aimed = await self._aimed({kind})
        return (
            aimed.target,
            await asyncio.to_thread(arguments.embed_query, aimed.target, aimed.embedder, query),
            aimed.statements,
        )

    async def _embedded_queries(self, queries: Iterable[object]) -> tuple[Target, list[Any], int]:
        """The same for many; without one to embed among them they are asked of the repository's own column."""
        found = embedded_queries.listed_queries(queries)
        asked = embedded_queries.asked_queries(self._target, found)
        for query in asked.values():
            arguments.check_question(self._embedder, query)
        if not asked:
            return self._target, found, 0
        aimed = await self._aimed(embedded_queries.kinds_of(asked))
        return (
            aimed.target,
            await asyncio.to_thread(embedded_queries.embed_queries, aimed.target, aimed.embedder, found),
            aimed.statements,
        )

    async def _aimed(self, kinds: AbstractSet[InputKind]) -> Aim:
        """Choose column and embedder. No connection is held: what follows waits for a model."""
        facts = self._driver.known(self._target)
        if facts is not None:
            return choose_aim(self._target, self._embedders, facts, kinds)
        return await self._driver.run(aim(self._target, self._embedders, kinds), self._target)

    async def _answered(
        self, recipe: Generator[Request, Any, Matches[Any]], asked: rerank_arguments.Reordering | None
    ) -> Matches[Any]:
        """Run the recipe of a search, and let a reranker put its matches in order where one is given."""
        if asked is None:
            return await self._driver.run(recipe, self._target)
        # The statement is over, and with it its connection where an engine was given, before the model is asked.
        pool = await self._driver.run(with_texts(recipe, asked.columns), self._target)
        return await rerank_arguments.ask_async(asked, pool)
