"""Declarations of keyword indexes, and the calls that create and drop them."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pgvec.errors import InvalidOptionError, MappingError
from pgvec.orm import KeywordIndex
from pgvec.orm.keyword_index import CreateKeywordIndex, DropKeywordIndex, keyword_indexes


def table(*indexes: KeywordIndex) -> sa.Table:
    """A table of texts."""
    return sa.Table(
        "page",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("Title", sa.Text, key="title"),
        sa.Column("body", sa.Text),
        *indexes,
        schema="my",
    )


def compiled(element: Any) -> str:
    """The statement for Postgres."""
    return str(element.compile(dialect=postgresql.dialect()))


def test_a_table_knows_its_keyword_indexes() -> None:
    """An index names the columns as Postgres does, whether it was given their keys, columns or attributes."""

    class Base(DeclarativeBase):
        pass

    class Page(Base):
        __tablename__ = "page"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str] = mapped_column("heading")
        body: Mapped[str]
        __table_args__ = (KeywordIndex("heading", "body", weights=(2, 1.5), config="german", k1=0.9, b=0.4),)

    (index,) = keyword_indexes(Page.__table__)  # type: ignore[arg-type]
    assert (index.columns, index.weights, index.config, index.name) == (
        ("heading", "body"),
        (2, 1.5),
        "german",
        "keywords",
    )
    assert (index.k1, index.b) == (0.9, 0.4)
    (of_table,) = keyword_indexes(table(KeywordIndex("title")))
    assert (of_table.columns, of_table.weights) == (("Title",), (1.0,))
    assert keyword_indexes(table()) == ()


def test_it_is_created_and_dropped_by_calls() -> None:
    """What create_all and drop_all send calls the functions of the schema pgvec, with every name quoted."""
    declared = table(KeywordIndex("title", "body", weights=(2.5, 1), name="it's"))
    (index,) = keyword_indexes(declared)
    assert compiled(CreateKeywordIndex(declared, index)) == (
        "SELECT pgvec.create_keyword_index('my.page', ARRAY['Title', 'body']::text[], ARRAY[2.5, 1]::numeric[], 'english', "
        "'it''s', 1.2, 0.75)"
    )
    assert "drop_keyword_index(''my.page'', ''it''''s'', true)" in compiled(DropKeywordIndex(declared, index))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": (1,)}, "one number for each of the 2"),
        ({"weights": "ab"}, "one number for each"),
        ({"weights": (0, 1)}, "from 0.001 to 1000"),
        ({"weights": (1, float("nan"))}, "from 0.001 to 1000"),
        ({"weights": (0.00155, 1)}, "three decimals"),
        ({"config": ""}, "config="),
        ({"name": "x" * 64}, "1 to 63 bytes"),
        ({"name": 5}, "name=5"),
        ({"k1": 0}, "greater than 0"),
        ({"k1": "1"}, "k1="),
        ({"b": 1.1}, "from 0 to 1"),
        ({"b": True}, "b=True"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    """An option that Postgres could not use is refused where it is written."""
    with pytest.raises(InvalidOptionError, match=message):
        KeywordIndex("title", "body", **options)


def test_five_weights_are_too_many() -> None:
    """Postgres tells four weights apart."""
    with pytest.raises(InvalidOptionError, match="4 weights"):
        KeywordIndex(*"abcde", weights=(1, 2, 3, 4, 5))


def test_columns_have_to_be_there() -> None:
    """Without a column, or with one that the table lacks, there is no index."""
    with pytest.raises(InvalidOptionError, match="names no column"):
        KeywordIndex()
    with pytest.raises(MappingError, match="no such column, only id, title, body"):
        table(KeywordIndex("heading"))
