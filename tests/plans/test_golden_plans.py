"""Every shape of the golden corpus: the rows it finds, the strategy it is answered by, and the plan that Postgres runs.

As the owner of the table and as a role under row-level security, prepared (custom and generic plans) and unprepared.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from fix_database import Databases
from psycopg import sql
from sqlalchemy.orm import Session
from support.golden import LIMIT, QUERY, SHAPES, Shape, count_matching, golden_database, true_ids
from support.plans import Plan, explained

from pgvec import Matches, Repository, Strategy
from pgvec.statements.filters import build_filter

VECTOR_INDEX = "golden_embedding"
ROWS = 6_000
MODES = [None, "force_custom_plan", "force_generic_plan"]


@pytest.fixture(scope="module")
def golden(databases: Databases, template_database: str) -> Iterator[tuple[sa.Engine, sa.Table]]:
    """The table of the corpus, with a policy for one role."""
    with golden_database(databases, template_database, readable="golden, golden_author") as (engine, table, role):
        table.info["role"] = role
        yield engine, table


def ask(session: Session, table: sa.Table, shape: Shape, mode: str | None) -> tuple[Plan, Matches[object]]:
    """Search as often as it takes to be prepared, and return the last plan and answer."""
    driver = session.connection().connection.driver_connection
    driver.prepare_threshold = None if mode is None else 0
    if mode is not None:
        session.execute(sa.select(sa.func.set_config("plan_cache_mode", mode, True)))
    repository = Repository(session, table, distance="l2")
    repository.search(QUERY, where=shape.filter, limit=LIMIT, columns=("id",))
    with explained(session) as plans:
        found = repository.search(QUERY, where=shape.filter, limit=LIMIT, columns=("id",))
    (plan,) = plans
    return plan, found


def assert_bounded(plan: Plan, found: Matches[object], matching: int) -> None:
    """Assert that the branch which is not needed was never executed, and that no more was read than the answer needs."""
    by_index = found.receipt.strategy is Strategy.INDEX
    assert (VECTOR_INDEX in plan.executed_indexes) == by_index or not found.receipt.exact
    heap = [
        node
        for node in plan.nodes
        if node["Node Type"] in {"Seq Scan", "Bitmap Heap Scan", "Index Scan"}
        and node.get("Index Name") != VECTOR_INDEX
    ]
    read = sum(node["Actual Rows"] * node["Actual Loops"] for node in heap if node.get("Relation Name") == "golden")
    if by_index and VECTOR_INDEX in plan.executed_indexes:
        assert read <= max(2 * LIMIT, found.receipt.matching + LIMIT)
    elif by_index:
        # On so small a table Postgres may guess that to sort what passes is cheaper, after up to a thousand were counted.
        assert read <= matching + found.receipt.matching + 2 * LIMIT
    else:
        # Every matching row once, the rows without an embedding, and the ten that are shown.
        assert read <= matching + 12 + 2 * LIMIT


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_as_the_owner(golden: tuple[sa.Engine, sa.Table], shape: Shape) -> None:
    """The filter means what the predicate says, and the planner takes the intended way however the statement is prepared."""
    engine, table = golden
    for mode in MODES:
        with Session(engine) as session:
            plan, found = ask(session, table, shape, mode)
            assert count_matching(session.connection(), shape) == shape.matching
            assert len(found) == min(LIMIT, shape.matching)
            assert shape.strategy is None or found.receipt.strategy == shape.strategy, (mode, found.receipt)
            if found.receipt.exact:
                assert [match.record.id for match in found] == true_ids(session.connection(), shape)
            assert_bounded(plan, found, shape.matching)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_as_a_role_under_row_level_security(golden: tuple[sa.Engine, sa.Table], shape: Shape) -> None:
    """A tenant gets its own rows alone, complete, and never both branches in full."""
    engine, table = golden
    for mode in MODES:
        # An engine of its own, so that it knows nothing of what the owner may see.
        own = sa.create_engine(engine.url, poolclass=sa.NullPool)
        with Session(own) as session:
            driver = session.connection().connection.driver_connection
            session.execute(sa.text("LOAD 'auto_explain'"))
            matching = count_matching_of_tenant(session, table, shape)
            with explained(session) as plans:
                driver.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(table.info["role"])))
                driver.prepare_threshold = None if mode is None else 0
                if mode is not None:
                    session.execute(sa.select(sa.func.set_config("plan_cache_mode", mode, True)))
                repository = Repository(session, table, distance="l2")
                found = repository.search(QUERY, where=shape.filter, limit=LIMIT, columns=("id", "tenant"))
                driver.execute("RESET ROLE")
            assert len(plans) == 1
            assert len(found) == min(LIMIT, matching)
            assert {match.record.tenant for match in found} <= {1}
            assert shape.tenant_strategy is None or found.receipt.strategy == shape.tenant_strategy, found.receipt


def count_matching_of_tenant(session: Session, table: sa.Table, shape: Shape) -> int:
    """Return how many rows of the tenant match, as the owner sees them."""
    condition = build_filter(Repository(session, table, distance="l2").target, shape.filter)
    counted = sa.select(sa.func.count()).select_from(table).where(table.c.tenant == 1, table.c.embedding.is_not(None))
    return session.execute(counted if condition is None else counted.where(condition)).scalar_one()
