"""What an application does with pgvec, as a program that any revision of pgvec can run: it prints what it saw as JSON.

Run as ``python -m support.rollout_process URL``, with the revision on ``PYTHONPATH``. The table ``page`` is there, with a keyword
index and a sync by the embedder ``content``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support.content_embedder import DIMENSIONS, ContentEmbedder, expected_vector

import pgvec
from pgvec import Repository
from pgvec.embedding_sync import Syncs, Worker, WorkerOptions
from pgvec.orm import Embedding, HnswIndex, KeywordIndex


class Base(DeclarativeBase):
    """Base of the model."""


class Page(Base):
    """A page whose embedding follows its body."""

    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]
    part: Mapped[int]
    embedding: Mapped[Any | None] = mapped_column(Embedding(DIMENSIONS, distance="cosine"))
    __table_args__ = (HnswIndex("embedding"), KeywordIndex("body"))


def use(url: str) -> dict[str, Any]:
    """Write, embed and search in every way that needs something of the schema ``pgvec``."""
    engine = sa.create_engine(url)
    name = f"written by pgvec from {pgvec.__file__}"
    with Session(engine) as session, session.begin():
        pages = Repository(session, Page, embedder=ContentEmbedder())
        pages.upsert([{"id": 1, "body": name, "part": 1}, {"id": 5, "body": "a new bank", "part": 0}], key=["id"])
    waiting = Syncs(engine).backlog("public.page.embedding")
    done = Worker(engine, {"content": ContentEmbedder()}, WorkerOptions()).run_once()
    pages = Repository(engine, Page, embedder=ContentEmbedder())
    report = pages.tune(target_recall=0.9, sample=5)
    found = {
        "code": pgvec.__file__,
        "waiting": waiting,
        "embedded": done.written,
        "nearest": pages.search(name, where={"part": 1}, limit=1)[0].record.id,
        "keyword": [match.record.id for match in pages.keyword_search("bank")],
        "hybrid": sorted(
            match.record.id for match in pages.hybrid_search("bank", vector=expected_vector("bank"), limit=3)
        ),
        "tuned": report.stored,
        "recall": pages.recall(sample=3, limit=2).recall,
    }
    with engine.connect() as connection:
        sql = "SELECT id FROM pgvec.search('page', CAST(:v AS text)::vector, max_rows => 1)"
        vector = "[" + ",".join(map(str, expected_vector(name))) + "]"
        found["sql"] = connection.execute(sa.text(sql), {"v": vector}).scalar_one()
    engine.dispose()
    return found


if __name__ == "__main__":
    print(json.dumps(use(sys.argv[1])))  # noqa: T201 - the answer
