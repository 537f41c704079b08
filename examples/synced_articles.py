"""Embeddings that follow their text: declared on the column, noted by triggers, made by a worker."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from database import SCHEMA, example_database
from numpy.typing import NDArray
from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgvec import Repository
from pgvec.embedding_sync import Syncs, Worker
from pgvec.model import InputKind, InputRole
from pgvec.orm import Embedding

DIMENSIONS = 256


class WordEmbedder:
    """A toy that needs no model: each word has a place in the vector. Use ``default_embedder()`` or your own instead."""

    name, revision, dimensions = "words", "1", DIMENSIONS
    kinds = frozenset({InputKind.TEXT})

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        """Count the words of each text."""
        del role
        vectors = np.full((len(inputs), DIMENSIONS), 1e-3, dtype=np.float32)
        for row, item in enumerate(inputs):
            for word in str(item).lower().replace(".", " ").split():
                vectors[row, hashlib.sha256(word.encode()).digest()[0]] += 1
        return vectors


class Base(DeclarativeBase):
    """Base of the model."""

    metadata = MetaData(schema=SCHEMA)


class Article(Base):
    """An article whose embedding follows title and body."""

    __tablename__ = "article"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    body: Mapped[str]
    views: Mapped[int] = mapped_column(default=0)
    embedding = mapped_column(
        Embedding(DIMENSIONS, distance="cosine", source=("title", "body"), embedder="words"), nullable=True
    )


def main() -> None:
    """Write articles through SQLAlchemy and plain SQL, let a worker embed them, and search."""
    embedder = WordEmbedder()
    with example_database() as url:
        engine = create_engine(url)
        Base.metadata.create_all(engine)
        syncs = Syncs(engine)
        (name,) = syncs.create(Article)
        worker = Worker(engine, {"words": embedder})

        with Session(engine) as session:
            session.add(Article(title="Rate hikes", body="The central bank raised rates."))
            session.add(Article(title="Harvest", body="Apples were picked early."))
            session.commit()
        with engine.begin() as connection:  # nobody who writes has to know of pgvec
            connection.execute(
                text("INSERT INTO pgvec_example.article (title, body, views) VALUES ('Rain', 'It rained.', 0)")
            )
        print(f"{syncs.backlog(name)} rows wait for their embedding")
        print(f"the worker embedded {worker.run_once().texts} texts")

        with Session(engine) as session:
            articles = Repository(session, Article, embedder=embedder)
            print("found:", articles.search("rates of the bank", limit=1)[0].record.title)
            harvest = session.query(Article).filter_by(title="Harvest").one()
            harvest.views += 1
            session.commit()
            print(f"a change of views leaves {syncs.backlog(name)} to embed")
            harvest.body = "Pears, and no apples."
            session.commit()
            print(f"a change of the text leaves {syncs.backlog(name)}")
        worker = Worker(engine, {"words": embedder})
        worker.run_once()
        syncs.wait_until_synced(name, timeout_seconds=10)
        engine.dispose()


if __name__ == "__main__":
    main()
