"""Search by meaning over the help texts of Python's own exceptions."""

from __future__ import annotations

import builtins

from database import SCHEMA, example_database
from sqlalchemy import MetaData, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgvec import Repository
from pgvec.embedders import default_embedder
from pgvec.orm import Embedding, HnswIndex


class Base(DeclarativeBase):
    """Base of the model."""

    metadata = MetaData(schema=SCHEMA)


class Failure(Base):
    """An exception and what its documentation says."""

    __tablename__ = "failure"

    name: Mapped[str] = mapped_column(primary_key=True)
    help: Mapped[str]
    embedding = mapped_column(Embedding(384, distance="cosine", source=("help",)))
    __table_args__ = (HnswIndex("embedding"),)


def main() -> None:
    """Embed the texts, store them, ask in other words than theirs."""
    failures = {
        name: value.__doc__
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException) and value.__doc__
    }
    embedder = default_embedder()
    with example_database() as url:
        engine = create_engine(url)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            repository = Repository(session, Failure, embedder=embedder)
            repository.insert(
                {"name": name, "help": text, "embedding": vector}
                for (name, text), vector in zip(failures.items(), embedder.embed(list(failures.values())), strict=True)
            )
            for question in (
                "not enough room left in RAM",
                "the user pressed Ctrl-C",
                "a key is absent from a dictionary",
            ):
                print(question)
                for match in repository.search(question, limit=2):
                    print(f"  {match.similarity:.2f}  {match.record.name}: {match.record.help.splitlines()[0]}")
        engine.dispose()


if __name__ == "__main__":
    main()
