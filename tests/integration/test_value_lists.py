"""Lists of values in a condition, of any length."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgvec import Repository
from pgvec.orm import Embedding


class Base(DeclarativeBase):
    pass


class Part(Base):
    __tablename__ = "part"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(5))
    price = mapped_column(sa.Numeric(8, 2))
    embedding = mapped_column(Embedding(2, distance="l2"))


@pytest.fixture
def parts(engine: sa.Engine, session: Session) -> Repository[Part]:
    Base.metadata.create_all(engine)
    repository = Repository(session, Part)
    repository.insert({"id": n, "code": f"abc{n:02}", "price": n, "embedding": [n, 0]} for n in range(1, 31))
    return repository


def ids(parts: Repository[Part], where: object) -> list[int]:
    return [match.record.id for match in parts.search([0, 0], where=where)]


def test_more_values_than_the_protocol_has_parameters(parts: Repository[Part]) -> None:
    """A hundred thousand values are one parameter."""
    assert ids(parts, Part.id.in_(range(20, 100_020))) == list(range(20, 30))
    assert ids(parts, Part.id.not_in(range(1, 100_001))) == []


def test_values_are_not_cut_to_the_length_of_the_column(parts: Repository[Part]) -> None:
    """A text or number that is longer than the column's type allows matches nothing."""
    assert ids(parts, Part.code.in_(["abc01 and more", "abc02"])) == [2]
    assert ids(parts, Part.price.in_([1.001, 2])) == [2]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Part.id.in_([]), []),
        (Part.id.not_in([]), list(range(1, 11))),
        (Part.id.in_([3, None]), [3]),
        (Part.id.not_in([3, None]), []),
        (~Part.id.in_(range(2, 30)), [1, 30]),
        (Part.id.in_([4]) | Part.code.in_(["abc05"]), [4, 5]),
        (sa.tuple_(Part.id, Part.code).in_([(6, "abc06")]), [6]),
        (Part.id.in_(sa.select(Part.id).where(Part.price > 28)), [29, 30]),
    ],
)
def test_lists_mean_what_sql_says(parts: Repository[Part], where: object, expected: list[int]) -> None:
    """Empty lists, NULL among the values, negations, rows of values and subqueries keep their meaning."""
    assert ids(parts, where) == expected
