"""The table of ``filter_table`` with a vector beside its columns, of any size, and the truth about its searches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
from support.filter_table import Thing, rows

from pgvec.orm import Embedding

DIMENSIONS = 8
_SEED_ROWS = 1_000


class Base(DeclarativeBase):
    pass


def _columns() -> dict[str, Any]:
    """Return the columns of the table of filters, but for its embedding."""
    return {
        attribute.key: mapped_column(column.name, column.type, primary_key=column.primary_key)
        for attribute in sa.inspect(Thing).column_attrs
        if attribute.key != "embedding" and (column := attribute.columns[0]) is not None
    }


Searched = type(
    "Searched",
    (Base,),
    {
        "__tablename__": "searched",
        **_columns(),
        "embedding": mapped_column(Embedding(DIMENSIONS, distance="l2")),
        "__table_args__": (
            sa.Index("ix_searched_quantity", "quantity"),
            sa.Index("ix_searched_word", "word"),
            sa.Index("ix_searched_mood", "mood"),
            sa.Index("ix_searched_tags", "tags", postgresql_using="gin"),
        ),
    },
)


def fill_searched(engine: sa.Engine, seed: int, count: int) -> None:
    """Create the table with so many rows, some without a vector, and index the vectors."""
    Base.metadata.create_all(engine)
    made = rows(seed, min(count, _SEED_ROWS))
    for row in made:
        row.pop("embedding")
    vectors = np.random.default_rng(seed).standard_normal((len(made), DIMENSIONS))
    for row, vector in zip(made, vectors, strict=True):
        row["embedding"] = None if row["id"] % 50 == 0 else vector
    names = ", ".join(f'"{column.name}"' for column in Searched.__table__.c if column.name not in {"id", "embedding"})
    with Session(engine) as session, session.begin():
        session.execute(sa.insert(Searched), made)
        if count > len(made):
            # Copies with other vectors: where a row is copied is random, so filters and vectors have nothing in common.
            session.execute(
                sa.text(
                    f"INSERT INTO searched (id, {names}, embedding) SELECT {len(made)} + row_number() OVER (), {names},"
                    " CASE WHEN random() > 0.02 THEN (SELECT array_agg(random() * 2 - 1 + 0 * (copied.n + number))"
                    f" FROM generate_series(1, {DIMENSIONS}) AS number)::real[]::vector END"
                    f" FROM searched, generate_series(1, {count // len(made) - 1}) AS copied(n)"
                )
            )
        session.execute(
            sa.text("CREATE INDEX ON searched USING hnsw (embedding vector_l2_ops) WITH (m = 8, ef_construction = 32)")
        )
        session.execute(sa.text("ANALYZE searched"))


@dataclass(frozen=True, slots=True)
class Truth:
    """What a search has to be held against: how many rows match, and the distances of the nearest of them."""

    matching: int
    distances: NDArray[np.float64]


def true_answer(session: Session, condition: sa.ColumnElement[bool] | None, query: Any, limit: int) -> Truth:
    """Ask in the plainest way: all distances of the rows that pass, without any vector index."""
    vector = sa.cast(sa.literal("[" + ",".join(map(str, query.tolist())) + "]", sa.Text), Embedding(DIMENSIONS))
    distance = Searched.embedding.op("<->", return_type=sa.Float)(vector) + 0
    found = sa.select(distance.label("distance")).where(Searched.embedding.is_not(None))
    if condition is not None:
        found = found.where(condition)
    listed = found.subquery()
    nearest = sa.select(listed.c.distance).order_by(listed.c.distance).limit(limit).subquery()
    row = session.execute(
        sa.select(
            sa.select(sa.func.count()).select_from(listed).scalar_subquery(),
            sa.select(sa.func.array_agg(nearest.c.distance)).scalar_subquery(),
        )
    ).one()
    return Truth(row[0], np.sort(np.array(row[1] or [], dtype=float)))
