"""Options of workers, names of embedders, and what models declare."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from support.content_embedder import ContentEmbedder

from pgvec.embedding_sync import AsyncSyncs, EmbeddingSync, Syncs, WorkerOptions, load_embedders, read_embedder_names
from pgvec.embedding_sync.declarations import as_syncs
from pgvec.errors import ConfigurationError, InvalidOptionError, MappingError
from pgvec.orm import Embedding
from pgvec.orm.declared_syncs import declared_syncs

ready_made = ContentEmbedder("ready")


def make() -> ContentEmbedder:
    return ContentEmbedder("made")


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"
    __table_args__ = {"schema": "notes"}

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    content: Mapped[str] = mapped_column("body")
    embedding = mapped_column("vector", Embedding(8, source=("title", "content"), embedder="content"))
    other = mapped_column(Embedding(8, source=("title",)))


EXPECTED = EmbeddingSync(table="note", schema="notes", source=("title", "body"), column="vector", embedder="content")


def test_a_class_declares_by_attribute() -> None:
    """Attributes are translated to columns; a column that names no embedder is not kept in step."""
    assert declared_syncs(Note) == (EXPECTED,)
    assert as_syncs(EXPECTED) == (EXPECTED,)


def test_a_table_declares_by_column() -> None:
    """Of a table the columns are named; an attribute that is called otherwise cannot be told."""
    table = sa.Table(
        "note",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("body", sa.Text),
        sa.Column("vector", Embedding(8, source="body", embedder="content")),
    )
    assert [sync.source for sync in declared_syncs(table.metadata)] == [("body",)]
    with pytest.raises(MappingError, match="no column 'content'"):
        declared_syncs(Note.__table__)


def test_a_source_on_another_table_is_refused() -> None:
    """A joined class cannot follow a column of its parent's table, which its triggers would not see."""

    class Root(DeclarativeBase):
        pass

    class Parent(Root):
        __tablename__ = "parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]

    class Child(Parent):
        __tablename__ = "child"
        id: Mapped[int] = mapped_column(sa.ForeignKey("parent.id"), primary_key=True)
        embedding = mapped_column(Embedding(8, source=("title",), embedder="content"))

    with pytest.raises(MappingError, match="no column of the table child"):
        declared_syncs(Child)


@pytest.mark.parametrize("nothing", [sa.MetaData(), sa.Table("plain", sa.MetaData(), sa.Column("id", sa.Integer))])
def test_nothing_declared_is_told(nothing: Any) -> None:
    """A mapping without such a column is refused with an example of one."""
    with pytest.raises(MappingError, match="source="):
        as_syncs(nothing)
    with pytest.raises(MappingError, match="neither a mapped class"):
        declared_syncs(int)


@pytest.mark.parametrize("name", list(WorkerOptions.__slots__))
def test_options_are_positive(name: str) -> None:
    """No option may be zero or less, or not a number."""
    for value in (0, -1, float("nan")):
        with pytest.raises(InvalidOptionError, match=name):
            WorkerOptions(**{name: value})


def test_pauses_double_up_to_a_limit() -> None:
    """A pause grows with the failures, keeps a random part, and never exceeds the limit."""
    options = WorkerOptions(backoff_seconds=1, longest_backoff_seconds=10)
    assert all(0.5 <= options.backoff(1) <= 1 for _ in range(50))
    assert all(2 <= options.backoff(3) <= 4 for _ in range(50))
    assert all(5 <= options.backoff(10_000) <= 10 for _ in range(50))


def test_embedders_are_found_by_name() -> None:
    """An attribute is an embedder or makes one; the offline model is there without being named."""
    found = load_embedders({"a": f"{__name__}:ready_made", "b": f"{__name__}:make"})
    assert found["a"] is ready_made
    assert found["b"].name == "made"
    assert set(found) == {"a", "b", "minilm"}
    assert load_embedders({"minilm": f"{__name__}:make"})["minilm"].name == "made"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere_at_all:x", "No module named"),
        (f"{__name__}:nothing", "no attribute"),
        ("os", "name=module:attribute"),
        ("os:getcwd", "is no embedder"),
        ("os:sep", "is no embedder"),
    ],
)
def test_what_is_no_embedder_is_told(place: str, message: str) -> None:
    """A wrong place ends the start of a worker with the reason."""
    with pytest.raises(ConfigurationError, match=message):
        load_embedders({"a": place})


def test_names_are_read_from_pyproject(tmp_path: Path) -> None:
    """``[tool.pgvec.embedders]`` names embedders; no file and no table mean none; another form is refused."""
    assert read_embedder_names(tmp_path) == {}
    file = tmp_path / "pyproject.toml"
    file.write_text("[project]\nname = 'x'\n")
    assert read_embedder_names(tmp_path) == {}
    file.write_text("[tool.pgvec.embedders]\na = 'shop:embedder'\n")
    assert read_embedder_names(tmp_path) == {"a": "shop:embedder"}
    for wrong in ("[tool.pgvec.embedders]\na = 1\n", "[tool.pgvec]\nembedders = 1\n", "no toml"):
        file.write_text(wrong)
        with pytest.raises(ConfigurationError, match="pyproject"):
            read_embedder_names(tmp_path)


def test_both_worlds_have_the_same_methods() -> None:
    """``Syncs`` and ``AsyncSyncs`` agree in names, parameters and documentation."""
    names = {name for name in dir(Syncs) if not name.startswith("_")}
    assert names == {name for name in dir(AsyncSyncs) if not name.startswith("_")}
    for name in names:
        sync, other = getattr(Syncs, name), getattr(AsyncSyncs, name)
        assert inspect.signature(sync) == inspect.signature(other)
        assert sync.__doc__ == other.__doc__
        assert inspect.iscoroutinefunction(other)
