"""Searches in groups: a part of the repository."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, overload

from pgvec.model import Groups
from pgvec.operations import shaped
from pgvec.repository import arguments, shaping_arguments
from pgvec.repository.core import RepositoryCore
from pgvec.repository.embedded_queries import counting

__all__ = ["Grouping"]

M = TypeVar("M")


class Grouping(RepositoryCore[M]):
    """Searches in groups."""

    @overload
    def search_groups(
        self,
        query: object,
        *,
        group_by: object,
        per_group: int = 2,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        candidates: int | None = None,
        exact: bool = False,
        max_distance: float | None = None,
        ef_search: int | None = None,
        recall: float | None = None,
        columns: None = None,
        include_embedding: bool = False,
    ) -> Groups[M]: ...

    @overload
    def search_groups(
        self,
        query: object,
        *,
        group_by: object,
        per_group: int = 2,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        candidates: int | None = None,
        exact: bool = False,
        max_distance: float | None = None,
        ef_search: int | None = None,
        recall: float | None = None,
        columns: Sequence[Any],
        include_embedding: bool = False,
    ) -> Groups[Any]: ...

    def search_groups(
        self,
        query: object,
        *,
        group_by: object,
        per_group: int = 2,
        where: object = None,
        limit: int = 10,
        offset: int = 0,
        candidates: int | None = None,
        exact: bool = False,
        max_distance: float | None = None,
        ef_search: int | None = None,
        recall: float | None = None,
        columns: Sequence[Any] | None = None,
        include_embedding: bool = False,
    ) -> Groups[Any]:
        """Find the groups with the nearest records, and of each its nearest records, in one statement.

        Args:
            query: As for :meth:`search`.
            group_by: What the records of a group have in common: a column, its name, an expression, or several; columns of a model
                that one relationship leads to, too. Records without a value are a group, as ``GROUP BY`` has it.
            per_group: Most matches to return of each group.
            where: As for :meth:`search`.
            limit: Most groups to return, from 1 to 1,000.
            offset: Groups to pass over first.
            candidates: How many of the nearest records are looked at before groups are filled from the table.
            exact: Compare every row that passes the condition instead of asking the index.
            max_distance: As for :meth:`search`.
            ef_search: As for :meth:`search`.
            recall: As for :meth:`search`.
            columns: As for :meth:`search`.
            include_embedding: As for :meth:`search`.

        Returns:
            The groups, the one with the nearest record first, with a receipt that counts groups. There are
            ``min(limit, groups of matching rows)`` of them, each with ``min(per_group, its rows)`` matches.

        Raises:
            InvalidInputError: The query, the condition or an option cannot be used; the subclass says why.
            RecordNotFoundError: The query is a record that is not stored, or has no embedding.
            QueryError: Postgres refused the statement.
        """
        target, query, asked = self._embedded(query)
        question = shaping_arguments.groups_question(
            target,
            query,
            arguments.SearchOptions(
                where=where,
                limit=limit,
                offset=offset,
                exact=exact,
                max_distance=max_distance,
                ef_search=ef_search,
                recall=recall,
                columns=columns,
                include_embedding=include_embedding,
            ),
            group_by=group_by,
            per_group=per_group,
            candidates=candidates,
        )
        return self._driver.run(shaped.search_groups(target, counting(question, asked)), self._target)
