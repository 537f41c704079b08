"""How Postgres runs the search statement: by the intended index, without work for the branch that is not needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from fix_database import Databases, sqlalchemy_url
from psycopg import sql
from sqlalchemy.orm import Session
from support.plans import Plan, explained

from pgvec import Repository, Strategy
from pgvec.orm import Embedding, HnswIndex, IvfflatIndex

ROWS = 1_500
DIMENSIONS = 64
ELSEWHERE = 'Ext "space'
# Built in a moment; how well they answer is not what is tested here.
QUICK = {"m": 8, "ef_construction": 16}
INDEXES: dict[str, Callable[[], sa.Index]] = {
    "hnsw": lambda: HnswIndex("embedding", **QUICK),
    "hnsw_halfvec": lambda: HnswIndex("embedding", quantization="halfvec", **QUICK),
    "hnsw_bit": lambda: HnswIndex("embedding", quantization="bit", **QUICK),
    "hnsw_leading": lambda: HnswIndex("embedding", dimensions=32, **QUICK),
    "hnsw_leading_halfvec": lambda: HnswIndex("embedding", dimensions=32, quantization="halfvec", **QUICK),
    "hnsw_leading_bit": lambda: HnswIndex("embedding", dimensions=32, quantization="bit", **QUICK),
    "ivfflat": lambda: IvfflatIndex("embedding", lists=10),
    "ivfflat_halfvec": lambda: IvfflatIndex("embedding", lists=10, quantization="halfvec"),
}
VECTORS = np.random.default_rng(3).standard_normal((ROWS, DIMENSIONS)).astype(np.float32)
QUERY = VECTORS[0] + 0.1
OPTIONS: list[dict[str, Any]] = [
    {},
    {"where": {"category": {"$ne": 3}}},
    # Conditions whose selectivity a generic plan can estimate: a range would be guessed at a third of the rows.
    {"where": {"category": {"$ne": 0}, "price": {"$ne": 7}}},
    {"limit": 50, "offset": 10},
    {"columns": ("id",)},
    {"ef_search": 100},
]


def declare(schema: str | None, names: Collection[str]) -> dict[str, sa.Table]:
    """Declare one table for each kind of index."""
    metadata = sa.MetaData()
    return {
        name: sa.Table(
            name,
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("category", sa.Integer),
            sa.Column("price", sa.Integer),
            sa.Column("embedding", Embedding(DIMENSIONS, extension_schema=schema)),
            INDEXES[name](),
        )
        for name in names
    }


def build(engine: sa.Engine, schema: str | None, names: Collection[str]) -> dict[str, sa.Table]:
    """Fill one table by a bulk load, copy it, and index them once they are full."""
    tables = declare(schema, names)
    indexes = [(table, index) for table in tables.values() for index in list(table.indexes)]
    first, *others = tables.values()
    for table, index in indexes:
        table.indexes.discard(index)
    with engine.begin() as connection:
        for table in tables.values():
            table.create(connection)
        numbers = np.arange(ROWS)
        columns = {"id": numbers, "category": numbers % 5, "price": numbers, "embedding": VECTORS}
        Repository(connection, first).bulk_load(columns)
        for table in others:
            connection.execute(table.insert().from_select(table.c.keys(), sa.select(first)))
        for table, index in indexes:
            index.create(connection)
            table.indexes.add(index)
            connection.execute(sa.text(f"ANALYZE {table.name}"))
    return tables


@pytest.fixture(scope="module")
def filled(databases: Databases, template_database: str) -> Iterator[tuple[sa.Engine, dict[str, sa.Table]]]:
    """Tables with an index of each kind."""
    name = databases.create(template_database)
    engine = sa.create_engine(sqlalchemy_url(databases.url_of(name)))
    yield engine, build(engine, None, INDEXES)
    engine.dispose()
    databases.drop(name)


def run(session: Session, table: sa.Table, query: object = QUERY, **options: Any) -> tuple[Plan, Strategy]:
    """Search once, and return the plan that ran and the strategy that the receipt tells."""
    repository = Repository(session, table)
    repository.search(query, **options)
    with explained(session) as plans:
        found = repository.search(query, **options)
    (plan,) = plans
    return plan, found.receipt.strategy


def assert_by_index(plan: Plan, table: sa.Table) -> None:
    """Assert that the vector index was scanned, and that nothing was done for the exact answer."""
    (index,) = table.indexes
    assert index.name in plan.executed_indexes
    assert {node["Actual Loops"] for node in plan.sequential_scans} == {0}


@pytest.mark.parametrize("name", INDEXES)
def test_the_intended_index_answers(filled: tuple[sa.Engine, dict[str, sa.Table]], name: str) -> None:
    """Unfiltered and filtered, the index of the model is scanned, and the exact branch is never executed."""
    engine, tables = filled
    with Session(engine) as session:
        for options in OPTIONS:
            plan, strategy = run(session, tables[name], **options)
            assert strategy is Strategy.INDEX
            assert_by_index(plan, tables[name])


@pytest.mark.parametrize("name", INDEXES)
def test_exact_reads_no_vector_index(filled: tuple[sa.Engine, dict[str, sa.Table]], name: str) -> None:
    """With exact=True no plan contains the vector index, filtered or not."""
    engine, tables = filled
    with Session(engine) as session:
        for options in OPTIONS:
            plan, strategy = run(session, tables[name], exact=True, **options)
            assert strategy is Strategy.EXACT
            assert plan.planned_indexes <= {f"{name}_pkey"}


@pytest.mark.parametrize("name", ["hnsw", "hnsw_leading_bit", "ivfflat_halfvec"])
@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
def test_prepared_statements_use_the_index(filled: tuple[sa.Engine, dict[str, sa.Table]], name: str, mode: str) -> None:
    """Prepared by the driver, with a generic plan or a custom one, the search is answered by the index."""
    engine, tables = filled
    with Session(engine) as session:
        session.connection().connection.driver_connection.prepare_threshold = 0
        session.execute(sa.select(sa.func.set_config("plan_cache_mode", mode, True)))
        for options in OPTIONS:
            plan, _ = run(session, tables[name], **options)
            assert_by_index(plan, tables[name])


@pytest.mark.parametrize("name", ["hnsw", "hnsw_leading_bit", "ivfflat_halfvec"])
def test_unprepared_statements_use_the_index(filled: tuple[sa.Engine, dict[str, sa.Table]], name: str) -> None:
    """Where prepared statements are switched off, as behind PgBouncer, the plan is the same."""
    engine, tables = filled
    with Session(engine) as session:
        session.connection().connection.driver_connection.prepare_threshold = None
        for options in OPTIONS:
            plan, _ = run(session, tables[name], **options)
            assert_by_index(plan, tables[name])


@pytest.mark.parametrize("name", ["hnsw", "hnsw_leading_bit", "ivfflat"])
@pytest.mark.parametrize("options", OPTIONS[:2], ids=["plain", "filtered"])
def test_the_server_keeps_a_generic_plan(
    filled: tuple[sa.Engine, dict[str, sa.Table]], name: str, options: dict[str, Any]
) -> None:
    """After its five custom plans the server stays with the generic one: repeated searches are not planned again."""
    engine, tables = filled
    with Session(engine) as session:
        session.connection().connection.driver_connection.prepare_threshold = 0
        repository = Repository(session, tables[name])
        for number in range(20):
            repository.search(VECTORS[number], **options)
        counted = session.execute(
            sa.text(
                "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
                " WHERE statement LIKE '%pgvec_distance%' AND position(:name in statement) > 0"
            ),
            {"name": f"FROM {name} "},
        ).all()
        assert [tuple(row) for row in counted] == [(15, 5)]


def test_no_parallel_workers_are_planned(filled: tuple[sa.Engine, dict[str, sa.Table]]) -> None:
    """Even where workers cost nothing, none is started for an adaptive search."""
    engine, tables = filled
    free = {
        "parallel_setup_cost": "0",
        "parallel_tuple_cost": "0",
        "min_parallel_table_scan_size": "0",
        "min_parallel_index_scan_size": "0",
    }
    with Session(engine) as session:
        for name, value in free.items():
            session.execute(sa.select(sa.func.set_config(name, value, True)))
        for options in OPTIONS:
            plan, _ = run(session, tables["hnsw"], **options)
            assert plan.workers == 0


def test_a_short_answer_of_the_index_runs_the_exact_branch(
    filled: tuple[sa.Engine, dict[str, sa.Table]],
) -> None:
    """Where the index finds too few rows, the exact branch runs within the same statement."""
    engine, tables = filled
    with Session(engine) as session:
        # A condition that statistics do not tell of, and that no index finds rows for.
        plan, strategy = run(session, tables["hnsw"], where=sa.func.abs(tables["hnsw"].c.price) < 5)
        assert strategy is Strategy.COMPLETED
        assert {node["Actual Loops"] for node in plan.sequential_scans} == {1}


def test_extension_in_another_schema(databases: Databases) -> None:
    """With the extension in a schema that search_path does not contain, indexes answer as anywhere else."""
    name = databases.create()
    url = databases.url_of(name)
    with psycopg.connect(url, autocommit=True) as connection:
        schema = sql.Identifier(ELSEWHERE)
        connection.execute(sql.SQL("CREATE SCHEMA {0}; CREATE EXTENSION vector SCHEMA {0}").format(schema))
    engine = sa.create_engine(sqlalchemy_url(url))
    tables = build(engine, ELSEWHERE, ["hnsw", "hnsw_leading_bit", "ivfflat_halfvec"])
    with Session(engine) as session:
        for table in tables.values():
            for options in OPTIONS:
                plan, _ = run(session, table, **options)
                assert_by_index(plan, table)
    engine.dispose()
    databases.drop(name)


def test_role_under_row_level_security(login_role: str, engine: sa.Engine) -> None:
    """A role that a policy restricts is answered by the index too, and with its own rows alone."""
    table = build(engine, None, ["hnsw"])["hnsw"]
    role = sql.Identifier(login_role)
    with Session(engine) as session:
        driver = session.connection().connection.driver_connection
        for statement in (
            "ALTER TABLE hnsw ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY tenant ON hnsw USING (category <> current_setting('app.hidden')::int)",
            "GRANT SELECT ON hnsw TO {}",
            "SET LOCAL app.hidden = '3'",
        ):
            driver.execute(sql.SQL(statement).format(role))
        repository = Repository(session, table)
        with explained(session) as plans:
            driver.execute(sql.SQL("SET LOCAL ROLE {}").format(role))
            for options in OPTIONS:
                assert repository.search(QUERY, **options).receipt.strategy is Strategy.INDEX
            all_rows = repository.search(QUERY, limit=ROWS)
            counted = repository.count()
            driver.execute("RESET ROLE")
        assert len(plans) == len(OPTIONS) + 1
        for plan in plans[:-1]:
            assert_by_index(plan, table)
        assert len(all_rows) == counted == ROWS * 4 // 5
        assert {match.record["category"] for match in all_rows} == {0, 1, 2, 4}
