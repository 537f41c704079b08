"""SQLModel, and a filter that came from outside."""

from __future__ import annotations

import json

import numpy as np
from database import SCHEMA, example_database
from sqlalchemy import create_engine
from sqlmodel import Field, Session, SQLModel

from pgvec import Repository
from pgvec.errors import InvalidFilterError
from pgvec.orm import Embedding, HnswIndex


class Note(SQLModel, table=True):
    """A note with an embedding."""

    __tablename__ = "note"
    __table_args__ = (HnswIndex("embedding"), {"schema": SCHEMA})

    id: int | None = Field(default=None, primary_key=True)
    text: str
    owner: str = Field(index=True)
    embedding: list[float] = Field(sa_type=Embedding(16, distance="cosine"))


def main() -> None:
    """Store notes of two people and search with filters as a web request brings them."""
    rng = np.random.default_rng(5)
    with example_database() as url:
        engine = create_engine(url)
        SQLModel.metadata.create_all(engine)
        with Session(engine) as session:
            notes = Repository(session, Note)
            keys = notes.insert(
                {"text": f"Note {number}", "owner": ("ada", "bob")[number % 2], "embedding": rng.standard_normal(16)}
                for number in range(50)
            )
            print(f"inserted {len(keys)} notes, the first has the key {keys[0]}")
            wanted = json.loads('{"owner": "ada", "text": {"$like": "Note 1%"}}')
            for match in notes.search(rng.standard_normal(16), where=wanted, limit=3):
                print(f"{match.similarity:.3f}  {match.record.owner}  {match.record.text}")
            try:
                notes.search(rng.standard_normal(16), where={"password": "x"})
            except InvalidFilterError as error:
                print(f"refused: {error}")
        engine.dispose()


if __name__ == "__main__":
    main()
