"""Conditions on related models filter records of the target; they neither multiply nor lose any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column, relationship

from pgvec.errors import InvalidFilterError
from pgvec.model import Distance, Predicate, Target, VectorColumn, VectorType
from pgvec.model.filters import Not
from pgvec.statements.filters import build_filter


class Base(DeclarativeBase):
    pass


link = sa.Table(
    "link",
    Base.metadata,
    sa.Column("book_id", sa.ForeignKey("book.id")),
    sa.Column("label_id", sa.ForeignKey("label.id")),
)


class Person(Base):
    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    country: Mapped[str]
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}


class Writer(Person):
    __tablename__ = "writer"
    id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), primary_key=True)
    prizes: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "writer"}


class House(Base):
    __tablename__ = "house"
    id: Mapped[int] = mapped_column(primary_key=True)
    country: Mapped[str]


class Label(Base):
    __tablename__ = "label"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Page(Base):
    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(sa.ForeignKey("book.id"))
    position: Mapped[int]
    colour: Mapped[str]


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    writer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("writer.id"))
    house_id: Mapped[int | None] = mapped_column(sa.ForeignKey("house.id"))
    draft_id: Mapped[int | None] = mapped_column(sa.ForeignKey("note.id"))
    review_id: Mapped[int | None] = mapped_column(sa.ForeignKey("note.id"))
    writer: Mapped[Writer | None] = relationship()
    house: Mapped[House | None] = relationship()
    pages: Mapped[list[Page]] = relationship()
    labels: Mapped[list[Label]] = relationship(secondary=link)
    draft: Mapped[Note | None] = relationship(foreign_keys=[draft_id])
    review: Mapped[Note | None] = relationship(foreign_keys=[review_id])


TARGET = Target(Book, "book", ("id",), VectorColumn("none", "none", VectorType.VECTOR, 3), Distance.L2, ())


@pytest.fixture
def library(session: Session) -> Session:
    """Book 1: German writer and house, red page 1, blue page 2; 2: French, English; 3: nobody's; 4: German, no house."""
    Base.metadata.create_all(session.connection())
    german, french = Writer(country="DE", prizes=2), Writer(country="FR", prizes=0)
    here, there = House(country="DE"), House(country="UK")
    old, new = Label(name="old"), Label(name="new")
    red, blue = Page(position=1, colour="red"), Page(position=2, colour="blue")
    session.add_all(
        [
            Book(id=1, title="a", writer=german, house=here, pages=[red, blue], labels=[old, new]),
            Book(id=2, title="b", writer=french, house=there, pages=[Page(position=1, colour="blue")], labels=[new]),
            Book(id=3, title="c"),
            Book(id=4, title="d", writer=german, pages=[Page(position=9, colour="red")] * 1),
        ]
    )
    session.flush()
    return session


def found(session: Session, where: Any) -> list[int]:
    """Return the keys, sorted but not made unique: a multiplied record would show."""
    condition = build_filter(TARGET, where)
    return sorted(session.scalars(sa.select(Book.id).where(condition)))


CASES = (
    (Writer.country == "DE", [1, 4]),
    (Writer.country != "DE", [2]),
    (Writer.prizes > 1, [1, 4]),
    ((Writer.prizes > 1) & (Writer.country == "DE") & (Book.title == "a"), [1]),
    ((Writer.country == "DE") | (Book.title == "c"), [1, 3, 4]),
    (((Writer.country == "DE") | (Book.title == "c")) & ((Writer.prizes > 1) | (Book.id == 3)), [1, 3, 4]),
    (((Page.colour == "red") | (Page.position == 2)) & (Page.position < 9), [1]),
    (Page.position > 0, [1, 2, 4]),
    ((Page.colour == "blue") & (Page.position == 1), [2]),
    ((Page.colour == "blue") | (Page.position == 9), [1, 2, 4]),
    (Label.name.in_(["old", "new"]), [1, 2]),
    (Writer.country == House.country, [1]),
    ((Writer.country == "DE") & (House.country == "DE"), [1]),
    ((Writer.country == House.country) & (Page.colour == "red") & (House.country == "DE"), [1]),
    (~((Writer.country == "FR") | (Book.title == "a")), [4]),
    (Not(Predicate(Writer.country == "DE")), [2, 3]),
    (Book.writer.has(Writer.country == "DE"), [1, 4]),
    (~Book.pages.any(), [3]),
    (Book.writer_id.in_(sa.select(Writer.id).where(Writer.country == "FR")), [2]),
    (sa.exists().where(Page.book_id == Book.id, Page.colour == "red"), [1, 4]),
    (sa.select(sa.func.count(Page.id)).where(Page.book_id == Book.id).scalar_subquery() == 2, [1]),
    (Book.writer == None, [3]),  # noqa: E711 - SQLAlchemy's own way to say it
)


def test_conditions_on_related_models(library: Session):
    """A condition on a related model means that there is a related record; each record comes once."""
    for where, expected in CASES:
        assert found(library, where) == expected, str(where)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (lambda: Note.text == "x", "Book.draft.has\\(...\\) or Book.review.has\\(...\\)"),
        (lambda: link.c.label_id == 1, "no relationship of Book leads there"),
        (lambda: aliased(Writer).country == "DE", "no relationship of Book leads there"),
        (lambda: sa.select(Writer.id).subquery().c.id == Book.writer_id, "in_\\(select"),
        (lambda: Book.writer, "is a relationship, not a condition"),
        (lambda: {"writer": 1}, "Book.writer.has"),
        (lambda: {"pages": 1}, "Book.pages.any"),
    ],
)
def test_what_leads_nowhere_or_to_several_places_is_refused(where: Callable[[], Any], message: str):
    """Without exactly one relationship the error names the way out."""
    with pytest.raises(InvalidFilterError, match=message):
        build_filter(TARGET, where())


def test_a_table_has_no_relationships():
    """For a Core table, a condition on another table has to be a subquery."""
    target = Target(Page.__table__, "page", ("id",), TARGET.column, Distance.L2, ())
    with pytest.raises(InvalidFilterError, match="has no relationships"):
        build_filter(target, House.__table__.c.country == "DE")
