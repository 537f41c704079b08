"""Partial vector indexes: used where the filter implies their predicate, and nowhere else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa
from fix_level import examples
from sqlalchemy.orm import Session

from pgvec import Repository, Strategy
from pgvec.execution.survey import forget_surveys
from pgvec.orm import Embedding
from pgvec.statements.conditions import conjuncts, read_leaf
from pgvec.statements.predicates import implied, read_terms

TENANTS = [UUID(int=number) for number in range(1, 5)]
WORDS = ["a", "b", "A", "10", "9", "9 ", "it's", "x]::y, z", ""]
NUMBERS: list[Any] = [-1, 0, 1, 2, 3, 9, 10]
PRICES = [Decimal("-1.00"), Decimal(0), Decimal("1.005"), Decimal("1.01"), Decimal("1.5"), Decimal("3.00")]


def _table(schema: str | None = None) -> sa.Table:
    return sa.Table(
        "Odd item",
        sa.MetaData(schema=schema),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("label", sa.SmallInteger),
        sa.Column("price", sa.Numeric(10, 2)),
        sa.Column("weight", sa.Float),
        sa.Column("word", sa.String(20)),
        sa.Column("note", sa.Text),
        sa.Column("live", sa.Boolean),
        sa.Column("tenant", sa.Uuid),
        sa.Column("Odd name", sa.BigInteger),
        sa.Column("embedding", Embedding(3, distance="l2")),
    )


def _fill(connection: sa.Connection, table: sa.Table, count: int, seed: int = 5) -> None:
    rng = np.random.default_rng(seed)

    def some(values: list[Any]) -> Any:
        return None if rng.random() < 0.1 else values[int(rng.integers(len(values)))]

    connection.execute(
        sa.insert(table),
        [
            {
                "id": number,
                "label": some(NUMBERS),
                "price": some(PRICES),
                "weight": some([0.1, 1.0, 2.5]),
                "word": some(WORDS),
                "note": some(WORDS),
                "live": some([True, False]),
                "tenant": some(TENANTS),
                "Odd name": some(NUMBERS),
                "embedding": rng.standard_normal(3),
            }
            for number in range(count)
        ],
    )


def _raw(connection: sa.Connection, statement: str) -> None:
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


@pytest.mark.parametrize("schema", [None, "Odd schema"])
def test_the_index_is_used_where_the_filter_implies_it(engine: sa.Engine, schema: str | None) -> None:
    """Small and large integers, texts, booleans, NULL tests, lists and ranges, in any schema and under any name."""
    table = _table(schema)
    c = table.c
    with Session(engine) as session:
        if schema is not None:
            session.execute(sa.schema.CreateSchema(schema))
        table.create(session.connection())
        _fill(session.connection(), table, 1_500)
        name = session.connection().dialect.identifier_preparer.format_table(table)
        session.execute(sa.text(f"CREATE INDEX whole ON {name} USING hnsw (embedding public.vector_l2_ops)"))
        session.execute(sa.text(f"ANALYZE {name}"))
        session.commit()
        repository = Repository(session, table)
        for predicate, where in (
            ("label = 3", c.label == 3),
            ("word = 'it''s'", c.word == "it's"),
            ("note = 'x]::y, z'", c.note == "x]::y, z"),
            ("live", c.live),
            ("NOT live", sa.not_(c.live)),
            ("label IS NULL", c.label.is_(None)),
            ("label IN (1, 2, 3)", c.label.in_([3, 1])),
            ("word IN ('a', 'b')", c.word.in_(["b", "a"])),
            ("label >= 2", c.label > 2),
            ("price < 1.5", c.price < Decimal("1.01")),
            (f"tenant = '{TENANTS[1]}'", c.tenant == TENANTS[1]),
            ('"Odd name" > 1 AND live', sa.and_(c["Odd name"] == 3, c.live)),
        ):
            _raw(
                session.connection(),
                f"CREATE INDEX part ON {name} USING hnsw (embedding public.vector_l2_ops) WHERE ({predicate})",
            )
            forget_surveys(engine)
            explanation = repository.explain([0, 0, 0], where=where, limit=1)
            found = repository.search([0, 0, 0], where=where, limit=5, columns=("id",))
            truth = repository.search([0, 0, 0], where=where, limit=5, columns=("id",), exact=True)
            # Few rows are compared anyway; what counts is that the index is the one that would be asked.
            if explanation.strategy != "exact":
                assert explanation.index == "part (hnsw, partial)", (predicate, explanation.reasons)
                assert found.receipt.strategy in {Strategy.PARTIAL_INDEX, Strategy.EXACT}
            assert any("predicate of the partial index part" in reason for reason in explanation.reasons), predicate
            assert {match.distance for match in found} == {match.distance for match in truth}, predicate
            session.rollback()


def test_implied_never_misses_a_row(engine: sa.Engine) -> None:
    """Of random filters and predicates: wherever one is said to imply the other, every row that passes one has the other."""
    table = _table()
    rng = np.random.default_rng(17)
    with engine.begin() as connection:
        table.create(connection)
        _fill(connection, table, 400)
        name = connection.dialect.identifier_preparer.format_table(table)
        claims = 0
        for _ in range(examples(dev=250, full=2_000)):
            predicate = " AND ".join(_predicate(rng) for _ in range(int(rng.integers(1, 3))))
            # As the catalog prints it, by way of a constraint that is not checked.
            _raw(connection, f"ALTER TABLE {name} ADD CONSTRAINT said CHECK ({predicate}) NOT VALID")
            printed = connection.scalar(
                sa.text("SELECT pg_get_expr(conbin, conrelid, true) FROM pg_constraint WHERE conname = 'said'")
            )
            terms = read_terms(printed)
            for _ in range(8):
                where = sa.and_(*(_condition(rng, table) for _ in range(int(rng.integers(1, 4)))))
                leaves = [leaf for part in conjuncts(where) if (leaf := read_leaf(part)) is not None]
                if terms is None or not implied(terms, leaves):
                    continue
                claims += 1
                missed = sa.literal_column(f"(({predicate})) IS NOT TRUE".replace("%", "%%"))
                count = connection.scalar(sa.select(sa.func.count()).select_from(table).where(where, missed))
                assert count == 0, (printed, str(where), [leaf.values for leaf in leaves])
            connection.execute(sa.text(f"ALTER TABLE {name} DROP CONSTRAINT said"))
    assert claims > 20


def _predicate(rng: np.random.Generator) -> str:
    def pick(values: list[Any]) -> str:
        value = values[int(rng.integers(len(values)))]
        return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)

    sign = pick(["=", "<", "<=", ">", ">="]).strip("'")
    kinds = (
        lambda: f"label {sign} {pick(NUMBERS)}",
        lambda: f"label {sign} {pick(NUMBERS)}::smallint",
        lambda: f"label::numeric {sign} {pick(PRICES)}",
        lambda: f"label::text {sign} {pick(WORDS)}",
        lambda: f"price {sign} {pick(PRICES)}",
        lambda: f"price::int {sign} {pick(NUMBERS)}",
        lambda: f"weight {sign} {pick([0.1, 1, 2.5])}",
        lambda: f"word {sign} {pick(WORDS)}",
        lambda: f"note {sign} {pick(WORDS)}",
        lambda: f"word IN ({pick(WORDS)}, {pick(WORDS)})",
        lambda: f"label IN ({pick(NUMBERS)}, {pick(NUMBERS)}, {pick(NUMBERS)})",
        lambda: pick(["live", "NOT live", "live IS NULL", "word IS NOT NULL", "label IS NOT NULL"]).strip("'"),
        lambda: f'"Odd name" {sign} {pick(NUMBERS)}',
        lambda: f"label {sign} {pick(NUMBERS)} OR live",
        lambda: f"tenant = '{TENANTS[int(rng.integers(4))]}'",
    )
    return "(" + kinds[int(rng.integers(len(kinds)))]() + ")"


def _condition(rng: np.random.Generator, table: sa.Table) -> Any:
    c = table.c

    def pick(values: list[Any]) -> Any:
        return values[int(rng.integers(len(values)))]

    compare = pick(["__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__ne__"])
    kinds = (
        lambda: getattr(c.label, compare)(pick(NUMBERS)),
        lambda: getattr(c.price, compare)(pick(PRICES)),
        lambda: getattr(c.weight, compare)(pick([0.1, 1.0, 2.5])),
        lambda: getattr(c.word, compare)(pick(WORDS)),
        lambda: getattr(c.note, compare)(pick(WORDS)),
        lambda: getattr(c["Odd name"], compare)(pick(NUMBERS)),
        lambda: c.word.in_([pick(WORDS), pick(WORDS)]),
        lambda: c.label.in_([pick(NUMBERS), pick(NUMBERS)]),
        lambda: pick([c.live, sa.not_(c.live), c.live.is_(None), c.word.is_not(None), c.label.is_(None)]),
        lambda: c.tenant == pick(TENANTS),
        lambda: sa.or_(c.label == pick(NUMBERS), c.live),
    )
    return kinds[int(rng.integers(len(kinds)))]()
