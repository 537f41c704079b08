"""Predicates of partial indexes are read as Postgres prints them, and implied only where no row could be missed."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa

from pgvec.model import Term
from pgvec.statements.conditions import conjuncts, read_leaf
from pgvec.statements.predicates import implied, read_terms, term_condition

ITEM = sa.Table(
    "item",
    sa.MetaData(),
    sa.Column("label", sa.SmallInteger),
    sa.Column("price", sa.Numeric(10, 2)),
    sa.Column("weight", sa.Float),
    sa.Column("word", sa.String(20)),
    sa.Column("note", sa.Text),
    sa.Column("live", sa.Boolean),
    sa.Column("tenant", sa.Uuid),
    sa.Column("day", sa.Date),
    sa.Column("Odd name", sa.Integer),
    sa.Column("data", sa.JSON),
)
C = ITEM.c
TENANT = UUID("6c84fb90-12c4-11e1-840d-7b25c5ee775a")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("(label = 3)", (Term("label", "=", ("3",)),)),
        ("label = '3'::smallint", (Term("label", "=", ("3",), True),)),
        ("(label = '-3'::integer)", (Term("label", "=", ("-3",), True),)),
        ("((price)::numeric >= 1.5)", (Term("price", ">=", ("1.5",)),)),
        ("((word)::text = 'a''b'::text)", (Term("word", "=", ("a'b",), True, True),)),
        ("live", (Term("live", "=", ("true",)),)),
        ("(NOT live)", (Term("live", "=", ("false",)),)),
        ("(word IS NOT NULL)", (Term("word", "is not null"),)),
        ('("Odd name" < 5)', (Term("Odd name", "<", ("5",)),)),
        ("((label = 3) AND live)", (Term("label", "=", ("3",)), Term("live", "=", ("true",)))),
        ("(note = ' AND )'::text)", (Term("note", "=", (" AND )",), True),)),
        ("(label = ANY (ARRAY[1, 2]))", (Term("label", "in", ("1", "2")),)),
        (
            "((word)::text = ANY ((ARRAY['a'::character varying, 'b,c'::character varying])::text[]))",
            (Term("word", "in", ("a", "b,c"), True, True),),
        ),
    ],
)
def test_what_postgres_prints_is_read(text: str, terms: tuple[Term, ...]) -> None:
    """Comparisons, lists, null tests and booleans, with casts, quotes and parentheses."""
    assert read_terms(text) == terms


@pytest.mark.parametrize(
    "text",
    [
        "((label = 3) OR live)",
        "(lower(word) = 'a'::text)",
        "((price)::integer = 3)",
        "((price)::numeric(5,1) = 3)",
        "((word)::character varying(1) = 'a')",
        "((weight)::double precision < 3)",
        "(label <> 3)",
        "((label + 1) = 3)",
        "(label = other)",
        "(NOT (label = 3))",
        "((word)::text ~~ 'a%'::text)",
        "(label = ANY (ARRAY[1, NULL::integer]))",
        "(word = 'a'::text COLLATE \"C\")",
        "(live IS TRUE)",
        "(label = 3) IS NOT TRUE",
    ],
)
def test_what_is_not_understood_is_none(text: str) -> None:
    """Anything else is no predicate that a filter could imply."""
    assert read_terms(text) is None


IMPLIED = [
    (C.label == 3, "(label = 3)"),
    (C.label == 3, "(label = '3'::smallint)"),
    (C.label == 3, "(label = ANY (ARRAY[1, 3]))"),
    (C.label == 3, "(label IS NOT NULL)"),
    (C.label == 3, "(label >= 3)"),
    (C.label == 3, "((label > 2) AND (label < 4))"),
    (C.label.in_([1, 3]), "(label = ANY (ARRAY[1, 2, 3]))"),
    (C.label.in_([1, 3]), "(label < 4)"),
    (C.label < 3, "(label < 3)"),
    (C.label < 3, "(label <= 3)"),
    (C.label <= 2, "(label < 3)"),
    (C.label > 3, "(label >= 3)"),
    (sa.literal(3) < C.label, "(label > 2)"),
    (C.price < Decimal("1.50"), "(price < 1.5)"),
    (C.price == 2, "((price)::numeric = 2.00)"),
    (C.word == "a", "((word)::text = 'a'::text)"),
    (C.word == "3", "((word)::text = '3'::text)"),
    (C.word.in_(["a", "b"]), "((word)::text = ANY ((ARRAY['b'::character varying, 'a'::character varying])::text[]))"),
    (C.word > "a", "(word IS NOT NULL)"),
    (C.weight > 1.5, "(weight IS NOT NULL)"),
    (C.live, "live"),
    (~C.live, "(NOT live)"),
    (C.live.is_(None), "(live IS NULL)"),
    (C.tenant == TENANT, f"(tenant = '{TENANT}'::uuid)"),
    (C["Odd name"] == 1, '("Odd name" = 1)'),
    (sa.and_(C.label == 3, C.word == "a"), "((label = 3) AND ((word)::text = 'a'::text))"),
]

NOT_IMPLIED = [
    (C.label == 3, "(label = 4)"),
    (C.label == 3, "((label = 3) AND live)"),
    (C.label != 3, "(label = 3)"),
    (C.label.in_([1, 4]), "(label = ANY (ARRAY[1, 2, 3]))"),
    (C.label.in_([]), "(label = 3)"),
    (C.label == None, "(label = 3)"),  # noqa: E711
    (C.label <= 3, "(label < 3)"),
    (C.label >= 3, "(label > 3)"),
    (C.label < 4, "(label < 3)"),
    (C.label > 2, "(label = 3)"),
    (C.label < 3, "(label > 1)"),
    (sa.or_(C.label == 3, C.live), "(label = 3)"),
    (sa.not_(C.label == 3), "(label = 3)"),
    # Text orders otherwise than numbers: '5' > '10', and not '5' > '9'.
    (C.word > "10", "((word)::text > '9'::text)"),
    (C.note > "10", "(note > '9'::text)"),
    # A number as text may be written in several ways.
    (C.price == 3, "((price)::text = '3'::text)"),
    (C.label == 3, "((label)::text = '3'::text)"),
    # Binary fractions and what the column's scale rounds.
    (C.weight == 0.1, "(weight = '0.1'::double precision)"),
    (C.weight < 1, "(weight < '1'::double precision)"),
    (C.price <= Decimal("1.005"), "(price <= 1.005)"),
    (C.price < 1.5, "(price < 1.5)"),
    (C.price < Decimal("NaN"), "(price < 1.5)"),
    # A value of another kind arrives as Postgres makes it.
    (C.note == sa.literal(3, sa.Integer), "(note = '3'::text)"),
    (C.label == sa.bindparam(None, "3", sa.SmallInteger), "(label = 3)"),
    (C.data == '"a"', "(data = '\"a\"')"),
    (C.live.is_(None), "(live IS NOT NULL)"),
    (C.live, "(NOT live)"),
    (C.word == "A", "((word)::text = 'a'::text)"),
    (sa.func.lower(C.word) == "a", "((word)::text = 'a'::text)"),
]


def _is_implied(condition: sa.ColumnElement[bool], predicate: str) -> bool:
    terms = read_terms(predicate)
    assert terms is not None
    return implied(terms, [leaf for part in conjuncts(condition) if (leaf := read_leaf(part)) is not None])


@pytest.mark.parametrize(("condition", "predicate"), IMPLIED)
def test_implied(condition: sa.ColumnElement[bool], predicate: str) -> None:
    """Equalities, lists, ranges, null tests and booleans imply what holds of all of their rows."""
    assert _is_implied(condition, predicate)


@pytest.mark.parametrize(("condition", "predicate"), NOT_IMPLIED)
def test_not_implied(condition: sa.ColumnElement[bool], predicate: str) -> None:
    """Where a row could pass the filter and be missing from the index, or nothing is certain, the index is left alone."""
    assert not _is_implied(condition, predicate)


@pytest.mark.parametrize("text", ["(label = 3)", "((word)::text = 'a''b'::text)", '("Odd name" = ANY (ARRAY[1, 2]))'])
def test_a_term_is_written_with_its_constants(text: str) -> None:
    """The condition that finds the index has no parameters."""
    (term,) = read_terms(text) or ()
    compiled = term_condition(term, C[term.column]).compile()
    assert not compiled.params
