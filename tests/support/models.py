"""The models that behaviour tests share: articles with a small vector, and their authors."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ARRAY, ForeignKey, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from pgvec.orm import Embedding, HnswIndex

DIMENSIONS = 8


class Base(DeclarativeBase):
    """Base of the shared models."""


class Author(Base):
    """Somebody who writes articles."""

    __tablename__ = "author"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    country: Mapped[str]
    articles: Mapped[list[Article]] = relationship(back_populates="author")


class Article(Base):
    """A text with an embedding."""

    __tablename__ = "article"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    category: Mapped[str | None] = mapped_column(index=True)
    price: Mapped[float | None]
    published: Mapped[datetime | None]
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONB)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("author.id"))
    embedding: Mapped[NDArray[np.float32] | None] = mapped_column(Embedding(DIMENSIONS, distance="cosine"))
    author: Mapped[Author | None] = relationship(back_populates="articles")

    __table_args__ = (HnswIndex("embedding", m=16, ef_construction=64),)


def vectors(count: int, *, dimensions: int = DIMENSIONS, seed: int = 7) -> NDArray[np.float32]:
    """Return seeded random vectors."""
    return np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)


def article_rows(count: int, *, seed: int = 7) -> list[dict[str, Any]]:
    """Return rows for articles with ids from 1, the categories in turn and growing prices."""
    categories = ("news", "sport", "science", None)
    return [
        {
            "id": number,
            "title": f"Article {number}",
            "category": categories[number % 4],
            "price": float(number),
            "tags": [f"t{number % 3}"],
            "metadata_": {"source": f"s{number % 5}"},
            "embedding": vector,
        }
        for number, vector in enumerate(vectors(count, seed=seed), start=1)
    ]


def cosine_order(rows: list[dict[str, Any]], query: NDArray[np.float32]) -> list[int]:
    """Return the ids of rows by true cosine distance, nearest first."""
    matrix = np.array([row["embedding"] for row in rows], dtype=np.float64)
    distances = 1 - matrix @ query / (np.linalg.norm(matrix, axis=1) * np.linalg.norm(query))
    return [rows[position]["id"] for position in np.argsort(distances, kind="stable")]
