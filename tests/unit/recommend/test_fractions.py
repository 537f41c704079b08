"""A fraction is neither a user nor an item: Postgres would round it to another one."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pgvec.errors import InvalidInputError
from pgvec.orm import Embedding
from pgvec.orm.reading import read_target
from pgvec.recommend.arguments import check_user, given_items, session_items


class Base(DeclarativeBase):
    pass


class Song(Base):
    __tablename__ = "song_of_fractions"
    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    embedding = mapped_column(Embedding(3, distance="cosine"))


def test_fractions_are_refused():
    target = read_target(Song)
    for ask in (
        lambda: check_user(1.5),
        lambda: check_user(float("nan")),
        lambda: given_items(target, [1.5], ()),
        lambda: given_items(target, [1], [2.5]),
        lambda: session_items(target, [1.5], ()),
    ):
        with pytest.raises(InvalidInputError):
            ask()
    check_user(2.0)
    assert given_items(target, [2], ()) == [(2, 1.0)]
