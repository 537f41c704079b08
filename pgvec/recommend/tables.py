"""A mixin for the table of what users did with items, which is the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar, Self

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Mapper, declared_attr, mapped_column

from pgvec.errors import InvalidInputError, MappingError
from pgvec.repository.checks import number

__all__ = ["WEIGHTS", "InteractionMixin"]

WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "view": 0.2,
        "play": 1.0,
        "listen": 1.0,
        "skip": -0.5,
        "like": 2.0,
        "dislike": -2.0,
        "rating": 2.0,
        "purchase": 3.0,
    }
)
"""What an event of each kind is worth, times its strength. Kinds that nobody weighs are worth nothing."""

_LARGEST_STRENGTH = 1_000


class InteractionMixin:
    """Columns of a table of events. The class says what the items are, and may say who the users are::

        class Interaction(InteractionMixin, Base):
            __tablename__ = "interaction"
            item_model = Track
            user_model = Listener

    Events are only ever added. Two indexes come with the table: by user and time, and by item.

    Attributes:
        item_model: The mapped class of the items; its primary key is one column.
        user_model: The mapped class of the users, or None where they live elsewhere.
        user_type: Type of ``user_id`` where there is no ``user_model``.
        id: Primary key.
        user_id: Whose event it is.
        item_id: What it is an event of; events are deleted with their item.
        kind: What happened: a key of :data:`WEIGHTS`, or of the ``weights`` of a recommender.
        strength: How much of it; the worth of the event is that of its kind times this.
        at: When; by default the moment of the insert.
    """  # noqa: D415 - ends with a list

    item_model: ClassVar[type[Any]]
    user_model: ClassVar[type[Any] | None] = None
    user_type: ClassVar[Any] = sa.BigInteger

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.Text)
    strength: Mapped[float] = mapped_column(sa.Double, server_default=sa.text("1"))
    at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"))

    @declared_attr
    def user_id(cls) -> Mapped[Any]:  # noqa: N805 - SQLAlchemy gives it the class
        """Whose event it is."""
        model = getattr(cls, "user_model", None)
        if model is None:
            return mapped_column(getattr(cls, "user_type", sa.BigInteger), nullable=False)
        return mapped_column(sa.ForeignKey(_key(model, cls, "user_model"), ondelete="CASCADE"), nullable=False)

    @declared_attr
    def item_id(cls) -> Mapped[Any]:  # noqa: N805 - SQLAlchemy gives it the class
        """Foreign key to the item."""
        key = _key(getattr(cls, "item_model", None), cls, "item_model")
        return mapped_column(sa.ForeignKey(key, ondelete="CASCADE"), nullable=False)

    @classmethod
    def listened(cls, user_id: object, item_id: object, *, seconds: float, length: float, **values: Any) -> Self:
        """Return the event of somebody who heard, saw or read a part: 1 for all of it, 0 for half, -1 for leaving at once.

        Args:
            user_id: Who.
            item_id: What.
            seconds: How long.
            length: How long the whole is, in the same unit.
            values: Further columns.

        Raises:
            InvalidInputError: The whole has no length, or the part is negative.
        """
        part, whole = number("seconds", seconds), number("length", length)
        if not (part >= 0 and 0 < whole < float("inf")):
            raise InvalidInputError(
                f"A part of {part} seconds of {whole} is none: seconds >= 0 and length > 0 are needed"
            )
        strength = 2 * min(part / whole, 1.0) - 1
        return cls(**{"user_id": user_id, "item_id": item_id, "kind": "listen", "strength": strength} | values)

    @classmethod
    def rated(
        cls, user_id: object, item_id: object, rating: float, *, lowest: float = 1, highest: float = 5, **values: Any
    ) -> Self:
        """Return the event of a rating: 1 for the highest, -1 for the lowest, 0 for the middle.

        Args:
            user_id: Who.
            item_id: What.
            rating: The rating.
            lowest: The worst that can be given.
            highest: The best.
            values: Further columns.

        Raises:
            InvalidInputError: The rating is not between both.
        """
        given, low, high = number("rating", rating), number("lowest", lowest), number("highest", highest)
        if not low <= given <= high or low == high or high - low == float("inf"):
            raise InvalidInputError(f"rating={rating!r} is not between lowest={lowest!r} and highest={highest!r}")
        strength = 2 * (given - low) / (high - low) - 1
        return cls(**{"user_id": user_id, "item_id": item_id, "kind": "rating", "strength": strength} | values)


def _key(model: Any, cls: Any, name: str) -> sa.Column[Any]:
    mapper = sa.inspect(model, raiseerr=False) if isinstance(model, type) else None
    if not isinstance(mapper, Mapper) or len(mapper.primary_key) != 1:
        raise MappingError(
            f"{cls.__name__} has to say what its {name.removesuffix('_model')}s are: write  {name} = Track,  a mapped class whose primary "
            "key is one column"
        )
    return mapper.primary_key[0]


# Here and not in __table_args__, which the classes of users have for themselves.
@sa.event.listens_for(InteractionMixin, "after_mapper_constructed", propagate=True)
def _indexed(mapper: Mapper[Any], _class: type[Any]) -> None:
    table = mapper.local_table
    if mapper.inherits is None and isinstance(table, sa.Table):
        columns = table.c
        sa.Index(f"ix_{table.name}_user_id_at", columns.user_id, columns.at.desc(), _table=table)
        sa.Index(f"ix_{table.name}_item_id", columns.item_id, _table=table)
        strength = columns.strength.between(-_LARGEST_STRENGTH, _LARGEST_STRENGTH)
        table.append_constraint(sa.CheckConstraint(strength, name="strength_is_a_number"))
