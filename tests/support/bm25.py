"""BM25 by its definition, over the words that Postgres makes of the texts: what keyword search has to agree with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pgvec.orm import Embedding, HnswIndex, KeywordIndex

WEIGHTS = (2.5, 1.0)
K1, B = 1.2, 0.75
WORDS = ("bank", "rate", "river", "money", "fish", "boat", "loan", "water", "credit", "stone", "interest", "cloud")


class Base(DeclarativeBase):
    """Base of the models with keyword indexes."""


class Page(Base):
    """A text with a title, and an embedding."""

    __tablename__ = "page"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None]
    body: Mapped[str | None]
    tenant: Mapped[int] = mapped_column(default=0)
    embedding: Mapped[Any | None] = mapped_column(Embedding(3, distance="cosine"))

    __table_args__ = (KeywordIndex("title", "body", weights=WEIGHTS), HnswIndex("embedding"))


def page_rows(count: int, random: Any) -> list[dict[str, Any]]:
    """Return rows of pages with texts of few different words, some of them NULL or empty."""
    rows = []
    for number in range(1, count + 1):
        title = " ".join(random.choice(WORDS, size=random.integers(0, 3)))
        body = " ".join(random.choice(WORDS, size=random.integers(0, 30)))
        rows.append(
            {
                "id": number,
                "title": title or None,
                "body": body if number % 7 else None,
                "tenant": number % 10,
                "embedding": [float(value) for value in random.standard_normal(3)],
            }
        )
    return rows


class Reference:
    """Scores of documents, computed from scratch.

    Args:
        connection: Whose ``to_tsvector`` splits texts into words.
        rows: The documents, as mappings of fields to texts.
        weights: How much a word counts in each field.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        rows: Sequence[Mapping[str, Any]],
        weights: Mapping[str, float],
        config: str = "english",
    ) -> None:
        self._connection = connection
        self._config = config
        self._frequencies = {row["id"]: self._count(row, weights) for row in rows}
        self._lengths = {key: sum(counts.values()) for key, counts in self._frequencies.items()}
        self._average = sum(self._lengths.values()) / max(len(rows), 1)

    def words(self, text: str | None) -> Counter[str]:
        """Return how often each word is in a text."""
        found = self._connection.execute(
            "SELECT lexeme, cardinality(positions) FROM unnest(to_tsvector(%s::regconfig, %s))",
            (self._config, text or ""),
        )
        return Counter({str(word): int(count) for word, count in found.fetchall()})

    def _count(self, row: Mapping[str, Any], weights: Mapping[str, float]) -> Counter[str]:
        counts: Counter[str] = Counter()
        for field, weight in weights.items():
            for word, count in self.words(row[field]).items():
                counts[word] += weight * count  # type: ignore[assignment]
        return counts

    def scores(self, text: str) -> dict[Any, float]:
        """Return the score of every document that has a word of the text."""
        scores: dict[Any, float] = {}
        for word, times in self.words(text).items():
            having = [key for key, counts in self._frequencies.items() if counts[word]]
            rarity = math.log(1 + (len(self._frequencies) - len(having) + 0.5) / (len(having) + 0.5))
            for key in having:
                frequency = self._frequencies[key][word]
                held_back = K1 * (1 - B + B * self._lengths[key] / self._average)
                scores[key] = scores.get(key, 0.0) + times * rarity * frequency / (frequency + held_back)
        return scores
