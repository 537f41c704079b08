"""Many searches at once on one pool, as a web service makes them."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from database import SCHEMA, example_database
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pgvec import AsyncRepository, Matches
from pgvec.orm import Embedding, HnswIndex


class Base(DeclarativeBase):
    """Base of the model."""

    metadata = MetaData(schema=SCHEMA)


class Track(Base):
    """A piece of music; half precision is enough for its vector."""

    __tablename__ = "track"

    id: Mapped[int] = mapped_column(primary_key=True)
    genre: Mapped[str]
    embedding = mapped_column(Embedding(64, distance="inner_product", type="halfvec"))
    __table_args__ = (HnswIndex("embedding"),)


async def serve(url: Any) -> list[Matches[Track]]:
    """Load tracks, then answer fifty questions at once with ten connections."""
    rng = np.random.default_rng(9)
    engine = create_async_engine(url, pool_size=10)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    tracks = AsyncRepository(engine, Track)
    await tracks.bulk_load(
        {"id": number, "genre": ("jazz", "rock", "folk")[number % 3], "embedding": rng.standard_normal(64)}
        for number in range(1, 1001)
    )
    questions = rng.standard_normal((50, 64))
    found = await asyncio.gather(*(tracks.search(question, where={"genre": "jazz"}, limit=3) for question in questions))
    await engine.dispose()
    return list(found)


def main() -> None:
    """Print the first answers."""
    with example_database() as url:
        for number, found in enumerate(asyncio.run(serve(url))[:3], start=1):
            print(
                number, [(match.record.id, round(match.distance, 2)) for match in found], found.receipt.strategy.value
            )


if __name__ == "__main__":
    main()
