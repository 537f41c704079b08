"""The golden corpus: filters, the SQL conditions they mean, how many rows match, and by which strategy they are answered.

Whatever searches (the repository, the SQL functions, Django) is held to the same corpus.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pgvector.sqlalchemy  # noqa: F401  (makes SQLAlchemy recognise the vector column)
import sqlalchemy as sa
from fix_database import Databases, sqlalchemy_url
from psycopg import sql

FOLDER = Path(__file__).parents[1] / "golden"
QUERY = [math.sin(k * 0.7) for k in range(1, 17)]
LIMIT = 10


@dataclass(frozen=True, slots=True)
class Shape:
    """One entry; a strategy of None is left to the planner."""

    name: str
    filter: dict[str, Any]
    predicate: str
    matching: int
    strategy: str | None
    tenant_strategy: str | None


SHAPES = [Shape(**entry) for entry in json.loads((FOLDER / "filtered_search.json").read_text())["shapes"]]


def make_golden(engine: sa.Engine) -> sa.Table:
    """Create the table of the corpus and return it."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            (FOLDER / "filtered_search.sql").read_text(), execution_options={"no_parameters": True}
        )
        return sa.Table("golden", sa.MetaData(), autoload_with=connection, resolve_fks=False)


@contextmanager
def golden_database(
    databases: Databases, template: str, *, readable: str = "golden"
) -> Iterator[tuple[sa.Engine, sa.Table, str]]:
    """Yield a database with the table, and the name of a tenant: a role that may read its own rows, and the tables named."""
    name = databases.create(template)
    engine = sa.create_engine(sqlalchemy_url(databases.url_of(name)))
    table = make_golden(engine)
    role = f"pgvec_golden_tenant_{name[-12:]}"
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        for statement in (
            "CREATE ROLE {}",
            f"GRANT SELECT ON {readable} TO {{}}",
            "ALTER TABLE golden ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY tenants ON golden TO {} USING (tenant = 1)",
        ):
            driver.execute(sql.SQL(statement).format(sql.Identifier(role)))
    yield engine, table, role
    engine.dispose()
    databases.drop(name)
    databases._connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def true_ids(connection: sa.Connection, shape: Shape) -> list[int]:
    """Return the ids of the nearest rows by the predicate of the corpus, asked without any vector index."""
    vector = "[" + ",".join(map(str, QUERY)) + "]"
    statement = (
        f"SELECT id FROM golden WHERE ({shape.predicate}) AND embedding IS NOT NULL"
        f" ORDER BY (embedding <-> '{vector}'::vector) + 0, id LIMIT {LIMIT}"
    )
    return list(connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).scalars())


def count_matching(connection: sa.Connection, shape: Shape) -> int:
    """Return how many rows the predicate of the corpus passes."""
    statement = f"SELECT count(*) FROM golden WHERE ({shape.predicate}) AND embedding IS NOT NULL"
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).scalar_one()
