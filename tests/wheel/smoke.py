"""What an installed wheel must be able to do, without the checkout: ``python smoke.py SERVER_FOLDER CHECKOUT``."""

from __future__ import annotations

import importlib.resources
import subprocess
import sys
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import pgvec
from pgvec import Repository
from pgvec.embedded import EmbeddedServer
from pgvec.orm import Embedding, HnswIndex


class Base(DeclarativeBase):
    pass


class Point(Base):
    __tablename__ = "point"
    id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[list[float]] = mapped_column(Embedding(2, distance="l2"))
    __table_args__ = (HnswIndex("place", m=8, ef_construction=32),)


def main(folder: Path, checkout: Path) -> None:
    package = Path(pgvec.__file__).parent
    assert not package.is_relative_to(checkout), f"pgvec comes from the checkout: {package}"
    assert importlib.resources.files("pgvec").joinpath("py.typed").is_file()
    assert (package / "_migrations" / "env.py").is_file()
    with EmbeddedServer(folder) as server:
        command = [Path(sys.executable).with_name("pgvec"), "migrate", "up", "--url", server.url]
        subprocess.run(command, check=True)
        engine = create_engine(server.sqlalchemy_url)
        with Session(engine) as session:
            assert session.scalar(text("SELECT count(*) FROM pg_namespace WHERE nspname = 'pgvec'")) == 1
            Base.metadata.create_all(session.connection())
            points = Repository(session, Point)
            points.insert([{"id": number, "place": [number, 0.0]} for number in range(100)])
            found = points.search([41.9, 0.0], limit=3)
            assert [match.record.id for match in found] == [42, 41, 43], found
        engine.dispose()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
