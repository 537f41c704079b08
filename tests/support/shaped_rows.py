"""A table of things to score, group and count, and plain Python that does the same."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from pgvec.orm import Embedding, HnswIndex

DIMENSIONS = 4
JSON_VALUES: tuple[Any, ...] = ("x", 1, 1.5, True, None, ["x", "y"])
NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


class Base(DeclarativeBase):
    pass


class Maker(Base):
    """Who made things: what one relationship leads to."""

    __tablename__ = "maker"
    id: Mapped[int] = mapped_column(primary_key=True)
    country: Mapped[str | None]


class Ware(Base):
    """Something with values of many types."""

    __tablename__ = "ware"
    id: Mapped[int] = mapped_column(primary_key=True)
    cell: Mapped[int] = mapped_column(index=True)
    category: Mapped[str | None]
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric)
    weight: Mapped[float | None]
    views: Mapped[int | None]
    published: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    day: Mapped[date | None]
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(sa.Text))
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONB)
    maker_id: Mapped[int | None] = mapped_column(sa.ForeignKey("maker.id"))
    embedding: Mapped[Any | None] = mapped_column(Embedding(DIMENSIONS, distance="l2"))
    maker: Mapped[Maker | None] = relationship()
    __table_args__ = (HnswIndex("embedding", m=8, ef_construction=32),)


def maker_rows() -> list[dict[str, Any]]:
    """Twelve makers."""
    return [{"id": n, "country": ("DE", "FR", "JP", None)[n % 4]} for n in range(1, 13)]


def ware_rows(count: int, random: np.random.Generator) -> list[dict[str, Any]]:
    """Rows with NULLs everywhere; a hundredth of them is in each cell."""

    def maybe(value: Any) -> Any:
        return None if random.random() < 0.1 else value

    made = []
    for number in range(1, count + 1):
        moment = NOW - timedelta(seconds=int(random.integers(0, 100 * 86_400)))
        made.append(
            {
                "id": number,
                "cell": number % 100,
                "category": maybe(str(random.choice(["book", "lamp", "chair", "Ärmel"]))),
                "price": maybe(Decimal(int(random.integers(-300, 3_000))) / 100),
                "weight": maybe(float(random.normal(0, 10))),
                "views": maybe(int(random.integers(0, 200))),
                "published": maybe(moment),
                "day": maybe(moment.date()),
                "tags": maybe([str(tag) for tag in random.choice(list("abcd"), size=random.integers(0, 4))]),
                "metadata_": maybe({"source": JSON_VALUES[int(random.integers(0, len(JSON_VALUES)))]}),
                "maker_id": maybe(int(random.integers(1, 13))),
                "embedding": maybe(random.standard_normal(DIMENSIONS).astype(np.float32)),
            }
        )
    return made


def distances(rows: list[dict[str, Any]], query: Any) -> dict[int, float]:
    """True distances of rows with an embedding."""
    return {
        row["id"]: float(np.linalg.norm(row["embedding"].astype(float) - query))
        for row in rows
        if row["embedding"] is not None
    }


def decayed(away: float | None, scale: float, kind: str, offset: float, midpoint: float) -> float:
    """The documented formulas."""
    if away is None:
        return 0.0
    far = max(0.0, abs(away) - offset)
    if kind == "exp":
        return math.exp(math.log(midpoint) / scale * far)
    if kind == "gauss":
        return math.exp(math.log(midpoint) / scale**2 * far**2)
    return max(0.0, 1 - (1 - midpoint) / scale * far)


def counted(values: list[Any], limit: int, *, lowest: bool = False) -> tuple[dict[Any, int], int]:
    """Counts of the first values, and how many more there are; where counts tie at the limit, which values is open."""
    counts = Counter(value for value in values if value is not None)
    listed = sorted(counts.items(), key=lambda item: item[0] if lowest else -item[1])[:limit]
    return dict(listed), sum(counts.values()) - sum(count for _, count in listed)


def grouped(
    rows: list[dict[str, Any]], near: dict[int, float], key: Any, limit: int, per_group: int
) -> list[tuple[Any, list[int]]]:
    """The groups with the nearest rows, each with its nearest rows."""
    groups: dict[Any, list[tuple[float, int]]] = {}
    for row in rows:
        if row["id"] in near:
            groups.setdefault(key(row), []).append((near[row["id"]], row["id"]))
    best = sorted(groups.items(), key=lambda item: min(item[1]))[:limit]
    return [(key, [number for _, number in sorted(members)[:per_group]]) for key, members in best]
