"""What a recommendation knows of events: where they are, what each is worth, and how tastes come of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

__all__ = ["AVOID", "EXPLORE", "ITEMS", "STRENGTHS", "USER", "Events", "TasteScoring"]

USER = "pgvec_user"
ITEMS = "pgvec_items"
"""Keys of items that were given instead of a user's events, or beside them."""
STRENGTHS = "pgvec_strengths"
EXPLORE = "pgvec_explore"
AVOID = "pgvec_avoid"


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """A table of events. Made once for each way to weigh it, so that equal ones are the same object.

    Attributes:
        table: The table.
        user: Whose event it is.
        item: What it is an event of.
        kind: What happened.
        at: When.
        worth: What an event is worth, without its age.
        half_life_seconds: By which age its worth has halved, or None.
        last: How many events of a user count.
        popularity: By what items come in order for whoever is not known yet, or None for what all events are worth.
        label: What an item is called in a reason, or None.
    """

    table: sa.Table
    user: sa.Column[Any]
    item: sa.Column[Any]
    kind: sa.Column[Any]
    at: sa.Column[Any]
    worth: sa.ColumnElement[float]
    half_life_seconds: float | None
    last: int
    popularity: Any = None
    label: Any = None


@dataclass(frozen=True, slots=True)
class TasteScoring:
    """By the tastes of a user. The limit of the shape is the number of candidates for each taste.

    Attributes:
        events: What is known of users.
        limit: Most rows to return.
        tastes: Most tastes to tell apart.
        of_user: Whether the events of a user count.
        with_items: Whether items are given.
        exclude_seen: Whether items of which the user has an event are left out.
        diverse: Whether rows shall differ from each other.
        popular: Whether popular rows are found where nothing is known of a taste.
    """

    events: Events
    limit: int
    tastes: int
    of_user: bool
    with_items: bool
    exclude_seen: bool
    diverse: bool
    popular: bool

    def extra_types(self) -> list[Any]:
        """Return the types of the columns that follow the search's own: the item that a row is found for, what happened, its label."""
        return [self.events.item.type, sa.Text(), sa.Text()]
