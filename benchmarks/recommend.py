"""How long a recommendation takes beside a plain filtered search of the same items: ``python -m benchmarks.recommend --url URL``.

The items are clusters on a sphere, the events 1,000,000 of users who each like two clusters; both questions have the same filter, and
are asked by turns.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgvec import Repository
from pgvec.orm import Embedding, HnswIndex
from pgvec.recommend import InteractionMixin, Recommender

__all__ = ["main"]

DIMENSIONS = 64
CLUSTERS = 100


class Base(DeclarativeBase):
    """The tables of the benchmark."""

    metadata = sa.MetaData(schema="pgvec_bench_recommend")


class Item(Base):
    """Something to recommend."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    genre: Mapped[int] = mapped_column(index=True)
    embedding: Mapped[Any] = mapped_column(Embedding(DIMENSIONS, distance="cosine"))
    __table_args__ = (HnswIndex("embedding"),)


class Event(InteractionMixin, Base):
    """What somebody did with it."""

    __tablename__ = "event"
    item_model = Item


def _created(session: Session) -> list[sa.Index]:
    """Create the tables, and return their indexes, which are quicker to build on the rows."""
    indexes = [index for table in Base.metadata.sorted_tables for index in table.indexes]
    for index in indexes:
        index.table.indexes.discard(index)  # type: ignore[union-attr]
    Base.metadata.create_all(session.connection())
    for index in indexes:
        index.table.indexes.add(index)  # type: ignore[union-attr]
    return indexes


def _items(session: Session, number: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    centres = rng.normal(size=(CLUSTERS, DIMENSIONS))
    cluster = rng.integers(CLUSTERS, size=number)
    vectors = (centres[cluster] + 0.5 * rng.normal(size=(number, DIMENSIONS))).astype(np.float32)
    genres = rng.integers(10, size=number)
    rows = (
        {"id": n, "genre": int(genre), "embedding": vector}
        for n, (genre, vector) in enumerate(zip(genres, vectors, strict=True))
    )
    Repository(session, Item).bulk_load(rows)
    return cluster


def _events(session: Session, number: int, users: int, cluster: np.ndarray[Any, Any], rng: np.random.Generator) -> None:
    members = [np.flatnonzero(cluster == n) for n in range(CLUSTERS)]
    likes = rng.integers(CLUSTERS, size=(users, 2))
    driver: Any = session.connection().connection.driver_connection
    kinds = ("play", "play", "play", "like", "skip")
    who, what = rng.integers(users, size=number).tolist(), rng.integers(len(kinds), size=number).tolist()
    which = rng.random(number).tolist()
    copy = "COPY pgvec_bench_recommend.event (user_id, item_id, kind, strength, at) FROM STDIN"
    with driver.cursor() as cursor, cursor.copy(copy) as target:
        for n, (user, kind, part) in enumerate(zip(who, what, which, strict=True)):
            own = members[likes[user, n % 2]]
            item = int(part * len(cluster)) if kinds[kind] == "skip" else int(own[int(part * len(own))])
            target.write_row((user, item, kinds[kind], 1.0, f"2026-01-{1 + n % 28:02d} 00:00:00+00"))


def _timed(session: Session, users: int, runs: int, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    items, recommender = Repository(session, Item), Recommender(session, Item, Event)
    times: dict[str, list[float]] = {"search": [], "recommend_for": []}
    for run in range(runs + 20):
        genre, user = int(rng.integers(10)), int(rng.integers(users))
        vector = rng.normal(size=DIMENSIONS).astype(np.float32)
        asked: dict[str, Any] = {
            "search": lambda: items.search(vector, where=Item.genre == genre, limit=10),  # noqa: B023 - called at once
            "recommend_for": lambda: recommender.recommend_for(user, where=Item.genre == genre, limit=10),  # noqa: B023
        }
        for name, ask in asked.items():
            start = time.perf_counter()
            found = ask()
            if run >= 20:
                times[name].append(1_000 * (time.perf_counter() - start))
            assert len(found) == 10
        session.rollback()
    return {
        name: {"p50_ms": float(np.percentile(taken, 50)), "p95_ms": float(np.percentile(taken, 95))}
        for name, taken in times.items()
    }


def main() -> None:
    """Fill the tables, ask, and print the times as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--url", required=True, help="a database in which the schema pgvec_bench_recommend is made anew"
    )
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--keep", action="store_true", help="use the rows of the run before")
    given = parser.parse_args()
    engine = sa.create_engine(given.url)
    rng = np.random.default_rng(7)
    with Session(engine) as session:
        if not given.keep:
            session.execute(sa.text("DROP SCHEMA IF EXISTS pgvec_bench_recommend CASCADE"))
            session.execute(sa.text("CREATE SCHEMA pgvec_bench_recommend"))
            session.execute(sa.text("SET LOCAL maintenance_work_mem = '512MB'"))
            indexes = _created(session)
            cluster = _items(session, given.items, rng)
            _events(session, given.events, given.users, cluster, rng)
            for index in indexes:
                index.create(session.connection())
            session.commit()
            session.execute(sa.text("ANALYZE pgvec_bench_recommend.item, pgvec_bench_recommend.event"))
            session.commit()
        found: dict[str, Any] = dict(_timed(session, given.users, given.runs, rng))
    found["ratio_p95"] = found["recommend_for"]["p95_ms"] / found["search"]["p95_ms"]
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
