"""Advice on a table: what is proposed, that it runs, and that searches use it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from support.command_line import run_pgvec

from pgvec import Repository, Strategy
from pgvec.errors import InvalidOptionError, MappingMismatchError
from pgvec.model import AdviceKind
from pgvec.orm import Embedding, HnswIndex

ROWS, DIMENSIONS = 12_000, 16
TABLE = sa.Table(
    "offer",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("shop", sa.Integer),
    sa.Column("colour", sa.Text),
    sa.Column("size", sa.Integer),
    sa.Column("embedding", Embedding(DIMENSIONS, distance="l2")),
    HnswIndex("embedding", m=4, ef_construction=16),
)


@pytest.fixture
def offers(engine: sa.Engine) -> sa.Engine:
    """Twelve thousand offers; every fourth is of shop 1."""
    numbers = np.arange(ROWS)
    columns: dict[str, Any] = {
        "id": numbers,
        "shop": np.where(numbers % 4 == 0, 1, numbers % 400 + 2),
        "colour": [f"colour {n % 30}" for n in range(ROWS)],
        "size": numbers % 20,
        "embedding": np.random.default_rng(2).standard_normal((ROWS, DIMENSIONS)).astype(np.float32),
    }
    with engine.begin() as connection:
        TABLE.create(connection)
        Repository(connection, TABLE).bulk_load(columns)
        connection.execute(sa.text("ANALYZE offer"))
    return engine


def apply(engine: sa.Engine, statements: list[str]) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def test_what_is_proposed_runs_and_is_not_proposed_again(offers: sa.Engine) -> None:
    """Every statement is accepted as it stands, and what was done is no advice any more."""
    filters = ["shop", "colour, size"]
    proposals = Repository(offers, TABLE).advise(filters=filters)
    kinds = {advice.kind for advice in proposals}
    assert {AdviceKind.INDEX, AdviceKind.PARTIAL_INDEX, AdviceKind.STATISTICS} <= kinds
    assert all(advice.reason and advice.title for advice in proposals)
    apply(offers, [statement for advice in proposals for statement in advice.sql])
    apply(offers, ["ANALYZE offer"])
    again = Repository(offers, TABLE).advise(filters=filters)
    assert {advice.kind for advice in again} <= {AdviceKind.MEMORY}


def test_searches_use_the_partial_index(offers: sa.Engine) -> None:
    """The graph of a hot value answers searches that are filtered by it."""
    (partial,) = [
        advice
        for advice in Repository(offers, TABLE).advise(filters=["shop"])
        if advice.kind is AdviceKind.PARTIAL_INDEX
    ]
    assert 'WHERE "shop" = 1' in partial.sql[0]
    apply(offers, list(partial.sql))
    found = Repository(offers, TABLE).search(np.zeros(DIMENSIONS), where=TABLE.c.shop == 1, ef_search=100)
    assert found.receipt.strategy is Strategy.INDEX  # the facts of this pool are some seconds old
    fresh = sa.create_engine(offers.url)
    found = Repository(fresh, TABLE).search(np.zeros(DIMENSIONS), where=TABLE.c.shop == 1, ef_search=100)
    assert found.receipt.strategy is Strategy.PARTIAL_INDEX
    assert len(found) == 10
    fresh.dispose()


def test_without_statistics_they_come_first(engine: sa.Engine) -> None:
    """A table that was never analysed gets one piece of advice."""
    TABLE.create(engine)
    with engine.begin() as connection:
        connection.execute(TABLE.insert(), {"id": 1, "shop": 1})
    (only,) = Repository(engine, TABLE).advise()
    assert (only.kind, only.sql) == (AdviceKind.ANALYZE, ('ANALYZE "public"."offer"',))


def test_what_does_not_exist_is_told(engine: sa.Engine) -> None:
    """A column that the table does not have, a text that names none, and a table that is not there."""
    with pytest.raises(MappingMismatchError, match="no table"):
        Repository(engine, TABLE).advise()
    TABLE.create(engine)
    with pytest.raises(InvalidOptionError, match="weight"):
        Repository(engine, TABLE).advise(filters=["weight, shop"])
    with pytest.raises(InvalidOptionError, match="filtered together"):
        Repository(engine, TABLE).advise(filters=["shop ; drop"])


def test_the_command_prints_for_people_for_psql_and_for_programs(offers: sa.Engine) -> None:
    """Reasons by default, SQL alone with --sql, everything with --json; both at once are refused."""
    url = offers.url.render_as_string(hide_password=False)
    options = ("advise", "--table", "offer", "--filters", "shop", "--url", url)
    shown = run_pgvec(*options)
    assert shown.exit_code == 0, shown.output
    assert "Index the vectors of shop = 1" in shown.stdout
    script = run_pgvec(*options, "--sql").stdout
    assert all(line.startswith("--") or line.endswith(";") for line in script.splitlines())
    apply(offers, [line for line in script.splitlines() if not line.startswith("--")])
    assert {advice["kind"] for advice in json.loads(run_pgvec(*options, "--json").stdout)} <= {"memory"}
    assert run_pgvec(*options, "--json", "--sql").exit_code != 0
