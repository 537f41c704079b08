"""The golden corpus: filters, the SQL conditions they mean, how many rows match, and by which strategy they are answered.

Whatever searches (the repository, the SQL functions, Django) is held to the same corpus.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pgvector.sqlalchemy  # noqa: F401  (makes SQLAlchemy recognise the vector column)
import sqlalchemy as sa

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
