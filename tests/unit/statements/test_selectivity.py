"""What statistics tell of a condition are bounds, and hold whatever depends on what."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from pgvec.model import ColumnStatistics
from pgvec.statements.selectivity import Share, all_of, any_of, number_of, share_of

ITEM = sa.Table(
    "item",
    sa.MetaData(),
    sa.Column("label", sa.Integer),
    sa.Column("word", sa.Text),
    sa.Column("price", sa.Float),
    sa.Column("day", sa.Date),
    sa.Column("flag", sa.Boolean),
    sa.Column("unknown", sa.Integer),
)
OTHER = sa.Table("other", sa.MetaData(), sa.Column("label", sa.Integer))
C = ITEM.c


def statistics(kind: str, **values: Any) -> ColumnStatistics:
    common = values.get("common", {})
    numbers = values.get("numbers", {})
    return ColumnStatistics(
        type=kind,
        null_fraction=values.get("null_fraction", 0.0),
        distinct=values.get("distinct", 100.0),
        width=4,
        common=common,
        common_numbers=tuple(numbers.items()),
        bounds=values.get("bounds", ()),
    )


DAYS = tuple(number_of(date(2024, month, 1)) or 0.0 for month in range(1, 12))
COLUMNS = {
    "label": statistics("int4", common={"1": 0.5, "2": 0.3}, numbers={1.0: 0.5, 2.0: 0.3}, bounds=(3.0, 4.0, 5.0, 6.0)),
    "word": statistics("text", common={"a": 0.6}, null_fraction=0.2),
    "price": statistics("float8", distinct=-1.0, bounds=tuple(float(n) for n in range(0, 101, 10))),
    "day": statistics("date", bounds=DAYS),
    "flag": statistics("bool", common={"t": 0.9, "f": 0.1}),
}


def near(low: float, high: float) -> Any:
    return pytest.approx((low, high), abs=1e-9)


def bounds(condition: Any) -> tuple[float, float]:
    share = share_of(condition, COLUMNS, ITEM)
    assert 0.0 <= share.low <= share.high <= 1.0
    return share.low, share.high


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (C.label == 1, near(0.5, 0.5)),
        (C.label == 9, near(0.0, 0.2)),
        (C.label != 1, near(0.5, 0.5)),
        (C.label.in_([1, 2, 2]), near(0.8, 0.8)),
        (C.label == sa.any_(sa.literal([1, 9], sa.ARRAY(sa.Integer))), near(0.5, 0.7)),
        (C.label.is_(None), near(0.0, 0.0)),
        (C.word == "a", near(0.6, 0.6)),
        (C.word == "b", near(0.0, 0.2)),
        (C.word.is_(None), near(0.2, 0.2)),
        (C.word.is_not(None), near(0.8, 0.8)),
        (C.word != "a", near(0.2, 0.2)),
        (C.price < 50, near(0.4, 0.6)),
        (C.price > 95, near(0.0, 0.15)),
        (C.price >= 1000, near(0.0, 0.1)),
        (C.label < 2, near(0.5, 0.5 + 0.2 / 3)),
        (C.day < date(2024, 6, 1), near(0.4, 0.6)),
        (C.flag, near(0.9, 0.9)),
        (~C.flag, near(0.1, 0.1)),
        (sa.true(), near(1.0, 1.0)),
        (sa.false(), near(0.0, 0.0)),
    ],
    ids=str,
)
def test_one_condition(condition: Any, expected: Any) -> None:
    """A comparison has the share of its common value, or of its part of the histogram, give or take one group."""
    assert bounds(condition) == expected


@pytest.mark.parametrize(
    "condition",
    [
        C.unknown == 1,
        OTHER.c.label == 1,
        C.label == C.price,
        sa.func.abs(C.label) == 1,
        C.label == sa.select(sa.literal(1)).scalar_subquery(),
        C.word.like("a%"),
        sa.exists().where(OTHER.c.label == C.label),
        C.label == 1.5,
    ],
    ids=str,
)
def test_what_statistics_do_not_tell(condition: Any) -> None:
    """Whatever cannot be read may pass no row or every row."""
    assert bounds(condition) == (0.0, 1.0)


def test_an_and_is_bounded_for_any_dependence() -> None:
    """Two halves may be the same rows or the complement of each other; only what must overlap is promised."""
    assert bounds((C.label == 1) & (C.price < 50)) == near(0.0, 0.5)
    assert bounds((C.flag) & (C.word == "a")) == near(0.5, 0.6)
    assert bounds((C.label == 1) & (sa.func.abs(C.label) == 1)) == near(0.0, 0.5)


def test_an_or_is_bounded_for_any_dependence() -> None:
    """At least the larger part, at most the sum."""
    assert bounds((C.label == 1) | (C.word == "a")) == near(0.6, 1.0)
    assert bounds((C.label == 2) | (C.price > 95)) == near(0.3, 0.45)


def test_negations_know_about_null() -> None:
    """The exact complement passes NULL; a plain NOT does not, so that its lower bound is zero."""
    assert bounds((C.word == "a").is_not(sa.true())) == near(0.4, 0.4)
    low, high = bounds(~((C.word == "a") | (C.label == 1)))
    assert (low, high) == near(0.0, 0.4)


def test_the_combinators_have_neutral_elements() -> None:
    """No condition passes everything, no alternative nothing."""
    assert all_of([]) == Share(1.0, 1.0)
    assert any_of([]) == Share(0.0, 0.0)


def test_deep_conditions_end() -> None:
    """A condition nested beyond reason is not read to its end."""
    condition: Any = C.label == 1
    for _ in range(100):
        condition = sa.or_(condition & C.flag, C.label == 2)
    assert bounds(condition)[1] <= 1.0
