"""Recommends what a user may like next, on SQLAlchemy's asynchronous API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pgvec.execution.async_session import AsyncBind, AsyncSessionDriver
from pgvec.orm.reading import read_target
from pgvec.recommend import recipes
from pgvec.recommend.arguments import (
    Asked,
    RecommendOptions,
    check_user,
    given_items,
    question,
    read_events,
    session_items,
)
from pgvec.recommend.values import Recommendations, SimilarUser
from pgvec.repository.checks import whole_number

__all__ = ["AsyncRecommender"]


class AsyncRecommender:
    """Recommends what a user may like next: each answer is one statement, computed from the user's last events.

    Given a session or a connection, it takes part in its transaction and never commits. Nothing is kept beside the events, so an
    event counts from the moment on in which it is visible.

    Args:
        bind: An ``AsyncSession``, ``AsyncConnection`` or ``AsyncEngine`` on PostgreSQL through psycopg 3.
        item_model: The mapped class of the items, with an embedding of the type ``vector`` or ``halfvec``.
        interaction_model: The mapped class with :class:`~pgvec.recommend.InteractionMixin`.
        column: The embedding column, where the items have several.
        weights: What events of a kind are worth, where that differs from :data:`~pgvec.recommend.WEIGHTS`; negative for what speaks
            against an item.
        half_life: By which age an event is worth half as much; None leaves age out.
        last: How many events of a user count: the newest.
        popularity: A column or expression of the items by which they come in order for whoever is not known yet. By default a
            second statement sums up the events of all users for him, which reads them all.
        label: A column of the items that reasons show.

    Raises:
        MappingError: The classes do not belong together, or vectors of the column have no average.
        InvalidOptionError: An option cannot be used.
    """

    def __init__(
        self,
        bind: AsyncBind,
        item_model: type[Any],
        interaction_model: type[Any],
        *,
        column: Any | None = None,
        weights: Mapping[str, float] | None = None,
        half_life: str | timedelta | None = "30 days",
        last: int = 100,
        popularity: Any | None = None,
        label: Any | None = None,
    ) -> None:
        self._driver = AsyncSessionDriver(bind)
        self._target = read_target(item_model, column=column)
        self._events = read_events(
            self._target,
            interaction_model,
            weights=weights,
            half_life=half_life,
            last=last,
            popularity=popularity,
            label=label,
        )

    async def recommend_for(
        self,
        user: object,
        *,
        where: object = None,
        limit: int = 10,
        exclude_seen: bool = True,
        tastes: int = 3,
        diversity: float | None = None,
        explore: float = 0.0,
        avoid: float = 0.5,
        exact: bool = False,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> Recommendations[Any]:
        """Recommend what a user may like; to one of whom nothing is known, what is popular.

        Args:
            user: Value of ``user_id``.
            where: A condition on the items, as for ``Repository.search``.
            limit: Most rows to return, from 1 to 1,000.
            exclude_seen: Whether to leave out the items of which the user has an event, however old.
            tastes: Most tastes to tell apart, from 1 to 8: groups of similar liked items, each of which is searched for by itself and
                has its share of every beginning of the answer. With 1, all that is liked is averaged.
            diversity: From 0 to 1: how much a row shall differ from those before it (maximal marginal relevance), in place of the
                shares.
            explore: Share of rows whose place is left to chance, among ten times as many candidates as are asked for.
            avoid: How much the similarity to the most similar disliked item takes off the score.
            exact: Compare every row that passes the condition instead of asking the index.
            columns: Columns to return as rows instead of records.
            include_embedding: Fetch the embeddings of the records too.

        Raises:
            InvalidInputError: The user, the condition or an option cannot be used.
            QueryError: Postgres refused the statement.
        """
        check_user(user)
        options = RecommendOptions(
            where, limit, exclude_seen, tastes, diversity, explore, avoid, exact, columns, include_embedding
        )
        return await self._recommend(question(self._target, self._events, options, user=user))

    async def recommend_next(
        self,
        items: object,
        *,
        skipped: object = (),
        user: object = None,
        where: object = None,
        limit: int = 10,
        exclude_seen: bool = True,
        tastes: int = 2,
        diversity: float | None = None,
        explore: float = 0.0,
        avoid: float = 0.5,
        exact: bool = False,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> Recommendations[Any]:
        """Recommend what fits a session: the items that somebody had in it, of which the last count most.

        Args:
            items: Keys or records, in the order in which they came. They are left out of the answer.
            skipped: Keys or records that were refused, in their order.
            user: Whose events count beside those of the session, or None.
            where: As for :meth:`recommend_for`, and the options after it.
            limit: Most rows to return.
            exclude_seen: Whether to leave out all items of which ``user`` has an event.
            tastes: Most tastes to tell apart.
            diversity: How much a row shall differ from those before it.
            explore: Share of rows whose place is left to chance.
            avoid: How much the similarity to what was skipped takes off the score.
            exact: Compare every row that passes the condition.
            columns: Columns to return as rows instead of records.
            include_embedding: Fetch the embeddings of the records too.

        Raises:
            InvalidInputError: The items, the condition or an option cannot be used.
            QueryError: Postgres refused the statement.
        """
        if user is not None:
            check_user(user)
        options = RecommendOptions(
            where, limit, exclude_seen, tastes, diversity, explore, avoid, exact, columns, include_embedding
        )
        session = session_items(self._target, items, skipped)
        return await self._recommend(question(self._target, self._events, options, user=user, items=session))

    async def more_like(
        self,
        items: object,
        *,
        but_not: object = (),
        where: object = None,
        limit: int = 10,
        tastes: int = 3,
        diversity: float | None = None,
        avoid: float = 1.0,
        exact: bool = False,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> Recommendations[Any]:
        """Recommend more like some items, but not like others.

        Args:
            items: Keys or records of what the answer shall be like. They are left out of it.
            but_not: Keys or records of what it shall not be like.
            where: As for :meth:`recommend_for`, and the options after it.
            limit: Most rows to return.
            tastes: Most groups to tell apart among the items.
            diversity: How much a row shall differ from those before it.
            avoid: How much the similarity to ``but_not`` takes off the score.
            exact: Compare every row that passes the condition.
            columns: Columns to return as rows instead of records.
            include_embedding: Fetch the embeddings of the records too.

        Raises:
            InvalidInputError: The items, the condition or an option cannot be used.
            RecordNotFoundError: None of the items is stored with an embedding.
            QueryError: Postgres refused the statement.
        """
        options = RecommendOptions(
            where, limit, False, tastes, diversity, 0.0, avoid, exact, columns, include_embedding, popular=False
        )
        given = given_items(self._target, items, but_not)
        return await self._recommend(question(self._target, self._events, options, items=given))

    async def similar_users(self, user: object, *, limit: int = 10) -> list[SimilarUser]:
        """Find users who like the same items, the most similar first.

        Args:
            user: Value of ``user_id``.
            limit: Most users to return, from 1 to 100.

        Raises:
            InvalidInputError: The user or the limit cannot be used.
            QueryError: Postgres refused the statement.
        """
        check_user(user)
        wanted = whole_number("limit", limit, 1, 100)
        return await self._driver.run(recipes.similar_users(self._target, self._events, user, wanted), self._target)

    async def _recommend(self, asked: Asked) -> Recommendations[Any]:
        return await self._driver.run(recipes.recommend(self._target, asked), self._target)
