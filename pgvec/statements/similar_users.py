"""The statement that finds users who like the same items."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pgvec.statements.events import USER, Events
from pgvec.statements.numbers import ZERO, row_count, whole_number

__all__ = ["similar_users_statement"]

_MOST_ITEMS = 100
_MOST_USERS = 200


def similar_users_statement(events: Events, limit: int) -> sa.Select[Any]:
    """Build the statement: of those who share most of the liked items, the most similar by Ochiai's coefficient.

    Returns:
        A statement with the parameter ``pgvec_user`` whose rows are the user, ``shared / sqrt(liked by one * liked by other)`` and
        the number of shared items.
    """
    user = sa.bindparam(USER, type_=events.user.type)
    newest = (
        sa.select(events.item.label("item"), events.worth.label("worth"))
        .where(events.user == user)
        .order_by(events.at.desc())
        .limit(whole_number(events.last))
        .subquery("pgvec_newest")
    )
    total = sa.func.sum(newest.c.worth)
    mine = (
        sa.select(newest.c.item)
        .group_by(newest.c.item)
        .having(total > ZERO)
        .order_by(total.desc(), newest.c.item)
        .limit(whole_number(_MOST_ITEMS))
        .cte("pgvec_mine")
        .prefix_with("MATERIALIZED")
    )
    liked = sa.select(events.user.label("user"), events.item.label("item")).select_from(
        events.table.join(mine, events.item == mine.c.item)
    )
    liked = liked.where(events.user != user).group_by(events.user, events.item).having(sa.func.sum(events.worth) > ZERO)
    theirs = liked.subquery("pgvec_theirs")
    shared = (
        sa.select(theirs.c.user, row_count().label("shared"))
        .group_by(theirs.c.user)
        .order_by(row_count().desc(), theirs.c.user)
        .limit(whole_number(_MOST_USERS))
        .cte("pgvec_shared")
        .prefix_with("MATERIALIZED")
    )
    items = (
        sa.select(events.item)
        .where(events.user == shared.c.user)
        .correlate(shared)
        .group_by(events.item)
        .having(sa.func.sum(events.worth) > ZERO)
        .subquery("pgvec_their_items")
    )
    number = sa.select(row_count()).select_from(items).lateral("pgvec_their_number")
    own = sa.select(row_count()).select_from(mine).scalar_subquery()
    (count,) = number.c
    similarity = sa.cast(shared.c.shared, sa.Double()) / sa.func.sqrt(sa.cast(own * count, sa.Double()))
    least = sa.func.least(similarity, sa.literal_column("1::float8", sa.Float()))
    statement = sa.select(shared.c.user, least.label("similarity"), shared.c.shared)
    statement = statement.select_from(shared.join(number, sa.true()))
    return statement.order_by(least.desc(), shared.c.shared.desc(), shared.c.user).limit(whole_number(limit))
