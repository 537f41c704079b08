"""A folder and the tables that it was ingested into say the same."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fix_database import sqlalchemy_url
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support.content_embedder import DIMENSIONS, ContentEmbedder, expected_vector
from support.document_files import docx, make_broken, pdf

from pgvec.chunkers import SentenceChunker, TextChunker
from pgvec.errors import (
    ConfigurationError,
    DimensionMismatchError,
    EmbedderUnavailableError,
    InvalidInputError,
    InvalidOptionError,
    MappingError,
)
from pgvec.orm import Embedding
from pgvec.rag import ChunkMixin, DocumentMixin, IngestProgress, IngestReport, ingest

pytest.importorskip("pypdf")
pytest.importorskip("mammoth")


class Base(DeclarativeBase):
    pass


class Document(DocumentMixin, Base):
    __tablename__ = "document"
    owner: Mapped[str | None] = mapped_column("owner_name")


class Chunk(ChunkMixin, Base):
    __tablename__ = "chunk"
    document_model = Document
    embedding = mapped_column(Embedding(DIMENSIONS, distance="l2"))


@pytest.fixture
def tables(engine: Engine) -> Engine:
    """A database with the tables."""
    Base.metadata.create_all(engine)
    return engine


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def sentences(*numbers: int) -> str:
    return " ".join(f"Sentence number {n} is this." for n in numbers)


def done(report: IngestReport) -> tuple[int, int, int, int]:
    return report.added, report.changed, report.unchanged, report.deleted


def check_rows(engine: Engine) -> dict[str, list[tuple[int, str]]]:
    """Check every chunk against its document and its text, and return the chunks and their keys by path."""
    with Session(engine) as session:
        rows: dict[str, list[tuple[int, str]]] = {path: [] for path in session.scalars(select(Document.path))}
        chunks = session.scalars(select(Chunk).join(Document).order_by(Document.path, Chunk.position))
        for chunk in chunks:
            assert chunk.document.text[chunk.start_offset : chunk.end_offset] == chunk.text
            assert (chunk.embedding == expected_vector(chunk.text)).all()
            assert chunk.position == len(rows[chunk.document.path])
            rows[chunk.document.path].append((chunk.id, chunk.text))
    return rows


def test_only_what_changed_is_embedded_again(tables: Engine, tmp_path: Path) -> None:
    """Changed sentences, a moved file, a deleted one, other chunks, another model and other values: each costs what is new."""
    embedder, chunker = ContentEmbedder(), SentenceChunker(1)
    write(tmp_path, a_md=sentences(*range(10)), b_txt=sentences(1, 20), sub__c_md="\U0001f600 Only this.")
    (tmp_path / "d.pdf").write_bytes(pdf("A page.", "Another page."))
    (tmp_path / "e.docx").write_bytes(docx("# Title", "A letter."))
    seen: list[IngestProgress] = []

    def run(**options: Any) -> IngestReport:
        embedder.calls.clear()
        return ingest(tables, tmp_path, Chunk, embedder=options.pop("by", embedder), chunkers=chunker, **options)

    first = run(progress=seen.append, readers=2, batch_size=3)
    before = check_rows(tables)
    assert done(first) == (5, 0, 0, 0)
    assert first.chunks == sum(map(len, before.values())) == first.embedded + 1  # one sentence is in two files
    assert [step.done for step in seen] == [1, 2, 3, 4, 5]
    assert seen[-1].chunks == first.chunks
    with Session(tables) as session:
        assert session.scalars(select(Document.pages).where(Document.path == "d.pdf")).one() == [0, 9]

    assert done(run()) == (0, 0, 5, 0)
    assert not embedder.calls

    write(tmp_path, a_md=sentences(0, 1, 2, 99, 4, 5, 6, 7, 8, 9), moved_txt=(tmp_path / "b.txt").read_text())
    (tmp_path / "b.txt").unlink()
    second = run()
    after = check_rows(tables)
    assert done(second) == (1, 1, 3, 1)
    assert list(embedder.texts) == ["Sentence number 99 is this."]
    same = set(before["a.md"]) & set(after["a.md"])
    assert {text for _, text in same} >= {"Sentence number 0 is this.", "Sentence number 2 is this."}  # the same rows
    assert "b.txt" not in after

    chunker = SentenceChunker(2)
    assert done(run()) == (0, 5, 0, 0)
    assert "Only this." not in embedder.texts  # alone in its chunk as before
    check_rows(tables)

    values = run(document_values=lambda file: {"owner": file.path.upper()})
    assert (done(values), values.embedded) == ((0, 5, 0, 0), 0)
    with Session(tables) as session:
        assert "SUB/C.MD" in session.scalars(select(Document.owner)).all()
    with Session(tables) as session:
        texts = session.scalar(select(func.count(Chunk.text.distinct())))
    newer = run(by=ContentEmbedder(revision="2"))
    assert (newer.changed, newer.embedded) == (5, texts)
    check_rows(tables)


def test_corpora_and_what_is_missing_are_kept_apart(tables: Engine, tmp_path: Path) -> None:
    """Deleting concerns one corpus, an empty folder deletes nothing, and what is merely unreadable now stays."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    write(one, a_txt="In one.", b_txt="Also in one.")
    write(two, a_txt="In two.")

    def run(folder: Path, **options: Any) -> IngestReport:
        return ingest(tables, folder, Chunk, embedder=ContentEmbedder(), chunkers=TextChunker(100), **options)

    run(one, corpus="first"), run(two)
    (one / "b.txt").write_bytes(b"\xff broken")
    (one / "a.txt").unlink()
    kept = run(one, corpus="first", keep_missing=True)
    assert (done(kept), len(kept.refused)) == ((0, 0, 0, 0), 1)
    assert done(run(one, corpus="first")) == (0, 0, 0, 1)
    with Session(tables) as session:
        found = session.execute(select(Document.corpus, Document.path).order_by(Document.corpus)).all()
    assert [tuple(row) for row in found] == [(str(two), "a.txt"), ("first", "b.txt")]
    (two / "a.txt").unlink()
    with pytest.raises(InvalidInputError, match="is it mounted"):
        run(two)


def test_what_cannot_be_read_is_reported_and_nothing_else_affected(tables: Engine, tmp_path: Path) -> None:
    """Twenty-eight kinds of files are refused, each with its reason; the good file between them is ingested."""
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir(), outside.mkdir()
    reasons = make_broken(folder, outside)
    write(folder, good_md="This is good.", named_txt__inner_md="And this.")
    report = ingest(tables, folder, Chunk, embedder=ContentEmbedder(), chunkers=TextChunker(100), most_bytes=3_000_000)
    told = {file.path: file.reason for file in report.refused}
    assert told.keys() == reasons.keys()
    assert [path for path, reason in reasons.items() if reason not in told[path]] == []
    assert {path: [text for _, text in rows] for path, rows in check_rows(tables).items()} == {
        "good.md": ["This is good."],
        "named.txt/inner.md": ["And this."],
    }


def test_two_at_a_time_do_each_other_no_harm(tables: Engine, tmp_path: Path) -> None:
    """Both ingest all of the same folder, and each document has its chunks once."""
    write(tmp_path, **{f"n{n}_txt": sentences(n, n + 1, n + 2) for n in range(12)})

    def run(_: int) -> IngestReport:
        return ingest(tables, tmp_path, Chunk, embedder=ContentEmbedder(), chunkers=SentenceChunker(1), batch_size=2)

    with ThreadPoolExecutor(2) as pool:
        assert {report.added + report.unchanged for report in pool.map(run, range(2))} == {12}
    assert {len(rows) for rows in check_rows(tables).values()} == {3}


def test_a_text_that_the_model_refuses_keeps_no_other_out(tables: Engine, tmp_path: Path) -> None:
    """Its file is refused with what the model said, the others are stored; in autocommit mode, too."""

    def refuse(texts: list[str]) -> None:
        if "poison" in " ".join(texts):
            raise InvalidInputError("too long")

    write(tmp_path, a_txt="Good.", b_txt="This is poison.", c_txt="Good as well.")
    engine = tables.execution_options(isolation_level="AUTOCOMMIT")
    report = ingest(engine, tmp_path, Chunk, embedder=ContentEmbedder(before=refuse), chunkers=TextChunker(100))
    assert (report.added, [(file.path, file.reason) for file in report.refused]) == (
        2,
        [("b.txt", "cannot be embedded: too long")],
    )
    assert check_rows(tables).keys() == {"a.txt", "c.txt"}


def test_an_ingestion_that_was_killed_goes_on(tables: Engine, database_url: str, tmp_path: Path) -> None:
    """Documents that were stored stay, none is half there, and the next run does the rest; a failing model is no different."""
    for n in range(12):
        (tmp_path / f"{n:02}.txt").write_text(sentences(n, n + 100, n + 200))
    program = textwrap.dedent(f"""
        import os, signal
        from sqlalchemy import create_engine
        from support.content_embedder import ContentEmbedder
        from pgvec.chunkers import SentenceChunker
        from pgvec.rag import ingest
        from integration.test_ingest import Chunk
        embedder = ContentEmbedder()
        embedder._before = lambda texts: len(embedder.calls) > 2 and os.kill(os.getpid(), signal.SIGKILL)
        ingest(create_engine({sqlalchemy_url(database_url)!r}), {str(tmp_path)!r}, Chunk, embedder=embedder,
               chunkers=SentenceChunker(1), batch_size=6)
    """)
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    killed = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert killed.returncode == -9
    assert {path: len(rows) for path, rows in check_rows(tables).items()} == {f"{n:02}.txt": 3 for n in range(4)}

    def fail(_texts: list[str]) -> None:
        raise EmbedderUnavailableError("away")

    embedder, failing = ContentEmbedder(), ContentEmbedder(before=fail)
    with pytest.raises(EmbedderUnavailableError):
        ingest(tables, tmp_path, Chunk, embedder=failing, chunkers=SentenceChunker(1))
    report = ingest(tables, tmp_path, Chunk, embedder=embedder, chunkers=SentenceChunker(1))
    assert (done(report), report.embedded) == ((8, 0, 4, 0), 24)
    assert {len(rows) for rows in check_rows(tables).values()} == {3}


def test_misuse_is_refused_before_anything_is_done(tables: Engine, tmp_path: Path) -> None:
    """A session, a class without the mixin, another width, a chunker that is none, a column that is not there."""
    write(tmp_path, a_txt="Text.")

    def run(bind: Any = tables, model: Any = Chunk, embedder: Any = None, **options: Any) -> None:
        ingest(bind, tmp_path, model, embedder=embedder or ContentEmbedder(), **options)

    with Session(tables) as session, pytest.raises(ConfigurationError, match="takes an Engine"):
        run(session)
    with pytest.raises(MappingError, match="no class of chunks"):
        run(model=Document)
    wide = ContentEmbedder()
    wide.dimensions = 9
    with pytest.raises(DimensionMismatchError):
        run(embedder=wide)
    with pytest.raises(InvalidOptionError, match="no method chunk"):
        run(chunkers={".md": "TextChunker"})
    with pytest.raises(InvalidOptionError, match="neither a suffix nor a format"):
        run(chunkers={"word": TextChunker(10)})
    with pytest.raises(InvalidOptionError, match="no column that Document adds"):
        run(document_values=lambda _: {"text": "x"})
    with pytest.raises(InvalidInputError, match="corpus"):
        run(corpus="a\0b")
    with pytest.raises(InvalidOptionError, match="readers"):
        run(readers=0)
    with pytest.raises(MappingError, match="document_model = Document"):
        type("Orphan", (ChunkMixin, Base), {"__tablename__": "orphan"})
