"""Filters become conditions that an index can serve; the database is not needed to see that."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT, JSONB
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, synonym
from support.filter_table import TARGET, Mood, Thing

from pgvec.errors import InvalidFilterError
from pgvec.model import Comparison, Distance, Filter, Not, Operator, Or, Predicate, Target, VectorColumn, VectorType
from pgvec.statements.filters import build_filter

DIALECT = sa.create_engine("postgresql+psycopg://").dialect


class Base(DeclarativeBase):
    pass


class Cents(sa.TypeDecorator[int]):
    """Stores another value than the program has."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else value * 100


class AutoString(sa.TypeDecorator[str]):
    """Decides on the type in the database only, as SQLModel's type of this name does."""

    impl = sa.String
    cache_ok = True


class Odd(Base):
    """Attributes that are not simply columns."""

    __tablename__ = "odd"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[float]
    first: Mapped[str] = mapped_column("second")
    second: Mapped[str] = mapped_column("third")
    _hidden: Mapped[str] = mapped_column("shown", sa.Text)
    title = mapped_column(AutoString(10))
    email = mapped_column(CITEXT)
    zoned = mapped_column(sa.Time(timezone=True))
    cents = mapped_column(Cents)
    document = mapped_column(sa.JSON)
    variant = mapped_column(sa.JSON().with_variant(JSONB(), "postgresql"))
    blob = mapped_column(sa.LargeBinary)
    blobs = mapped_column(ARRAY(sa.LargeBinary))
    alias = synonym("price")

    @hybrid_property
    def is_cheap(self) -> bool:
        return self.price < 10

    @hybrid_property
    def shown(self) -> str:
        return self._hidden

    @hybrid_property
    def constant(self) -> int:
        return 1

    @hybrid_property
    def broken(self) -> str:
        return self.first.nothing_of_that_kind


Odd.double_price = column_property(Odd.price * 2)
ODD = Target(Odd, "odd", ("id",), VectorColumn("blob", "blob", VectorType.VECTOR, 3), Distance.L2, ("blob",))
TABLE = sa.Table("plain", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("kind", sa.Text, key="sort"))
PLAIN = Target(TABLE, "plain", ("id",), ODD.column, Distance.L2, ())


def sql(where: object, target: Target = TARGET) -> str:
    condition = build_filter(target, where)
    assert condition is not None
    return str(condition.compile(dialect=DIALECT)).replace("\n", " ")


@pytest.mark.parametrize("where", [None, {}, {"$and": []}])
def test_nothing_to_filter_gives_no_condition(where: object):
    """None and empty filters add nothing to a statement."""
    assert build_filter(TARGET, where) is None


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"word": "a"}, "thing.word = %(param_1)s::VARCHAR"),
        ({"number": {"$lt": 5}}, "thing.quantity < %(param_1)s::BIGINT"),
        ({"number": {"$gte": 2.5}}, "thing.quantity >= %(param_1)s::BIGINT"),
        ({"quantity": {"$in": [1, 2]}}, "thing.quantity = ANY (%(param_1)s::BIGINT[])"),
        ({"mood": "GOOD"}, "thing.mood = CAST(%(param_1)s::VARCHAR AS mood)"),
        ({"word": None}, "thing.word IS NULL"),
        ({"tags": {"$contains": "a"}}, "thing.tags @> %(param_1)s::TEXT[]"),
        ({"codes": {"$overlaps": ["a"]}}, "thing.codes && %(param_1)s::VARCHAR[]"),
        ({"metadata.source": "x"}, "thing.metadata @> CAST(%(param_1)s::VARCHAR AS JSONB)"),
        ({"metadata.list": {"$contains": "x"}}, "thing.metadata @> CAST(%(param_1)s::VARCHAR AS JSONB)"),
        ({"metadata.0": "x"}, "(thing.metadata #> %(param_1)s::TEXT[]) = CAST(%(param_2)s::VARCHAR AS JSONB)"),
        ({"metadata.a": {"$exists": True}}, "(thing.metadata #> %(param_1)s::TEXT[]) IS NOT NULL"),
    ],
)
def test_positive_conditions_are_plain(where: object, expected: str):
    """A condition that is not negated is the bare comparison, which an index serves."""
    assert sql(where) == expected


@pytest.mark.parametrize(
    "where",
    [
        {"word": {"$ne": "a"}},
        {"word": {"$nin": ["a"]}},
        {"word": {"$not": {"$eq": "a"}}},
        {"$not": {"word": "a"}},
        Not(Comparison(("word",), Operator.EQ, "a")),
        Not(Predicate(Thing.word == "a")),
    ],
)
def test_negations_are_complements(where: object):
    """Every negation is written so that NULL counts as false before it is negated."""
    assert sql(where).endswith(") IS NOT true")


def test_two_negations_cancel_out():
    """Not of not is the plain condition again."""
    assert sql({"$not": {"$not": {"word": "a"}}}) == sql({"word": "a"})


def test_the_text_of_a_list_condition_does_not_depend_on_its_length():
    """One value or a thousand give the same SQL, so one prepared statement serves."""
    assert sql({"number": {"$in": [1]}}) == sql({"number": {"$in": list(range(1_000))}})
    assert sql({"metadata.n": {"$nin": [1]}}) == sql({"metadata.n": {"$nin": list(range(1_000))}})


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"number": 2.5}, "false"),
        ({"number": 10**30}, "false"),
        ({"number": {"$lt": 10**30}}, "thing.quantity IS NOT NULL"),
        ({"number": {"$gt": 10**30}}, "false"),
        ({"number": {"$gte": -(10**30)}}, "thing.quantity IS NOT NULL"),
        ({"number": {"$in": [10**30, 0.5]}}, "false"),
        ({"numbers": {"$contains": [1, 2**31]}}, "false"),
        ({"singles": {"$contains": [1, 1e39]}}, "false"),
        ({"$or": []}, "false"),
        ({"word": {"$in": []}}, "false"),
        ({"$and": [{}]}, "true"),
    ],
)
def test_what_no_row_can_change_is_decided_at_once(where: object, expected: str):
    """Numbers beyond a column, and empty lists, never reach the database."""
    assert sql(where) == expected


def test_columns_go_by_attribute_or_column_name():
    """An attribute and its column's own name lead to the same condition."""
    assert sql({"metadata_.a": 1}) == sql({"metadata.a": 1})
    assert sql({"number": 1}) == sql({"quantity": 1})
    assert sql({"sort": "a"}, PLAIN) == sql({"kind": "a"}, PLAIN) == "plain.kind = %(param_1)s::VARCHAR"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"alias": {"$lt": 1}}, "odd.price < %(param_1)s"),
        ({"double_price": {"$lt": 1}}, "odd.price * %(price_1)s::INTEGER < %(param_1)s"),
        ({"is_cheap": True}, "(odd.price < %(price_1)s::INTEGER) = %(param_1)s"),
        ({"shown": "a"}, "odd.shown = %(param_1)s::VARCHAR"),
        ({"title": {"$like": "a%"}}, "odd.title LIKE %(param_1)s::VARCHAR"),
        ({"variant.a": 1}, "odd.variant @> CAST(%(param_1)s::VARCHAR AS JSONB)"),
        ({"blobs": {"$exists": True}}, "odd.blobs IS NOT NULL"),
        ({"cents": {"$exists": False}}, "odd.cents IS NULL"),
        ({"email": "A@b.c"}, "odd.email = %(param_1)s"),
        ({"zoned": {"$exists": True}}, "odd.zoned IS NOT NULL"),
    ],
)
def test_attributes_that_are_sql_expressions_work(where: object, expected: str):
    """Synonyms, hybrids, computed columns and wrapped types are compared like columns."""
    assert sql(where, ODD) == expected


def test_a_tree_may_hold_expressions():
    """The filter tree takes SQLAlchemy conditions as leaves."""
    assert sql(Or((Comparison(("word",), Operator.EQ, "a"), Predicate(Thing.number > 1)))) == (
        "thing.word = %(param_1)s::VARCHAR OR thing.quantity > %(quantity_1)s::INTEGER"
    )


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"wrod": "a"}, "thing has no column 'wrod'; known are .*word"),
        ({"word.a": 1}, "leads into 'word'.*only jsonb"),
        ({"embedding": None}, "\\$exists.*embeddings"),
        ({"embedding": {"$eq": [1.0]}}, "\\$exists.*embeddings"),
        ({"number": "1"}, "whole numbers, which '1' is not"),
        ({"number": True}, "whole numbers"),
        ({"number": {"$in": [1, "a"]}}, "whole numbers"),
        ({"ratio": "x"}, "numbers"),
        ({"amount": True}, "numbers"),
        ({"flag": 1}, "true and false"),
        ({"flag": {"$gt": 1}}, "known here is \\$eq"),
        ({"word": 1}, "texts"),
        ({"word": {"$contains": "a"}}, "known here is .*\\$like"),
        ({"number": {"$like": "1%"}}, "known here is"),
        ({"day": "2024-13-01"}, "dates"),
        ({"day": "2024-01-01T00:00:00"}, "dates"),
        ({"day": datetime(2024, 1, 1, tzinfo=UTC)}, "dates"),
        ({"moment": "2024-01-01T00:00:00"}, "no offset"),
        ({"moment": "2024-01-01"}, "no offset"),
        ({"local": "2024-01-01T00:00:00Z"}, "has no time zone"),
        ({"local": 5}, "local times"),
        ({"clock": "12:00:00+01:00"}, "times of day"),
        ({"duration": 5}, "durations"),
        ({"uid": "not-a-uuid"}, "UUIDs"),
        ({"mood": "good"}, "one of 'GOOD', 'BAD', 'SO_SO'"),
        ({"mood": {"$lt": Mood.GOOD}}, "known here is"),
        ({"size": "XL"}, "one of 'S', 'M', 'L'"),
        ({"tags": "a"}, "use \\$contains"),
        ({"tags": {"$in": ["a"]}}, "known here is .*lists"),
        ({"tags": {"$contains": 1}}, "texts"),
        ({"numbers": {"$overlaps": ["a"]}}, "whole numbers"),
        ({"metadata.a": {"$between": [1, "a"]}}, "different types"),
        ({"metadata.a": {"$overlaps": [{"a": 1}]}}, "needs numbers, texts"),
        ({"metadata.a": {"$gt": date(2024, 1, 1)}}, "JSON has no date"),
        ({"metadata.a": {"$in": [UUID(int=0)]}}, "JSON has no UUID"),
        (True, "not True, a bool"),
        ("word = 'a'", "a str"),
        (["word"], "a list"),
        (sa.text("true"), "a TextClause"),
        (sa.select(Thing.id), "a Select"),
        (Thing, "a DeclarativeAttributeIntercept"),
        (Thing.number, "not boolean"),
        (Thing.number + 1, "not boolean"),
        (Predicate("word = 'a'"), "a str"),
    ],
)
def test_filters_that_do_not_fit_the_model_are_refused(where: object, message: str):
    """Unknown columns, values of another type and things that are no conditions raise."""
    with pytest.raises(InvalidFilterError, match=message):
        build_filter(TARGET, where)


def test_a_tree_made_by_hand_may_not_be_too_deep():
    """The depth of a tree is limited; the deepest filter of the JSON language stays below."""
    source: dict[str, Any] = {"number": {"$not": {"$gt": 1, "$lt": 0}}, "word": "a"}
    tree: Filter = Comparison(("number",), Operator.EQ, 1)
    for _ in range(30):
        source = {"$not": source, "word": "a"}
    for _ in range(2_000):
        tree = Or((tree,))
    sql(source)
    with pytest.raises(InvalidFilterError, match="deeper than 100"):
        build_filter(TARGET, tree)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"second": "a"}, "ambiguous"),
        ({"broken": "a"}, "not usable in SQL"),
        ({"zoned": "12:00"}, "use a SQLAlchemy expression"),
        ({"constant": 1}, "not usable in SQL"),
        ({"cents": 5}, "use a SQLAlchemy expression"),
        ({"document": {"$eq": {}}}, "use a SQLAlchemy expression"),
        ({"document.a": 1}, "only jsonb"),
        ({"blobs": {"$contains": "a"}}, "use a SQLAlchemy expression"),
        ({"metadata": 1}, "no column 'metadata'"),
        ({"registry": 1}, "no column"),
    ],
)
def test_attributes_that_cannot_be_compared_are_refused(where: object, message: str):
    """Ambiguous names, hybrids for instances only, and types that pgvec cannot vouch for raise."""
    with pytest.raises(InvalidFilterError, match=message):
        build_filter(ODD, where)


@pytest.mark.parametrize("where", [sa.true(), Thing.flag, ~Thing.flag, ~((Thing.number > 1) | Thing.flag)])
def test_boolean_expressions_pass_through(where: Any):
    """An expression on the model itself is used as it is."""
    assert sql(where) == str(sa.select(Thing.id).where(where).whereclause.compile(dialect=DIALECT))


def test_a_boolean_hybrid_is_a_condition():
    """What a hybrid computes in SQL may be the filter."""
    assert sql(Odd.is_cheap, ODD) == "odd.price < %(price_1)s::INTEGER"


def test_a_model_may_gain_attributes_later():
    """A column that is added after the first filter is found."""

    class Growing(Base):
        __tablename__ = "growing"
        id: Mapped[int] = mapped_column(primary_key=True)

    target = Target(Growing, "growing", ("id",), ODD.column, Distance.L2, ())
    sql({"id": 1}, target)
    Growing.later = mapped_column(sa.Text)
    assert sql({"later": "a"}, target) == "growing.later = %(param_1)s::VARCHAR"
