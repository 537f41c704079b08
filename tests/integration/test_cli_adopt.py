"""``pgvec adopt``: tables that exist, with and without vectors, whoever made them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy import Engine
from support.alembic_project import Project
from support.layouts import MADE_BY_OTHERS

from pgvec import Repository
from pgvec.execution.backfill import backfill
from pgvec.execution.reflection import reflect_table

pytest.importorskip("typer", reason="the extra cli is not installed")

from support.command_line import run_pgvec

POSTS = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE author (id int PRIMARY KEY, name text);
CREATE TABLE posts (
    id bigserial PRIMARY KEY, author_id int REFERENCES author ON DELETE CASCADE, title varchar(200) NOT NULL, body text,
    tags text[] DEFAULT '{}', data jsonb, "metadata" json, price numeric(10, 2), made timestamptz DEFAULT now(), feeling mood,
    "Odd Name" int, words int GENERATED ALWAYS AS (length(title)) STORED, slug text UNIQUE);
COMMENT ON COLUMN posts.title IS 'the headline';
CREATE INDEX posts_made ON posts (made DESC) WHERE body IS NOT NULL;
CREATE INDEX posts_tags ON posts USING gin (tags);
CREATE UNIQUE INDEX posts_lower ON posts (lower(title));
INSERT INTO posts (title, body) SELECT 'title ' || i, CASE WHEN i % 5 > 0 THEN 'body ' || i END FROM generate_series(1, 40) i;
INSERT INTO posts (title, body) VALUES (' ', NULL);
"""


class Letters:
    """An embedder of three dimensions that counts, and may change the table meanwhile."""

    name, revision, dimensions = "letters", "1", 384

    def __init__(self, meanwhile: Any = None) -> None:
        self.texts: list[str] = []
        self._meanwhile = meanwhile

    def embed(self, inputs: Sequence[object], *, role: object = None) -> Any:
        assert role == "document"
        self.texts += [str(text) for text in inputs]
        if self._meanwhile is not None:
            self._meanwhile()
            self._meanwhile = None
        vectors = np.zeros((len(inputs), 384), dtype=np.float32)
        vectors[:, 0] = 1
        vectors[:, 1] = [len(str(text)) for text in inputs]
        return vectors


@pytest.fixture
def posts(connection: psycopg.Connection, database_url: str) -> str:
    """The URL of a database with a table of many kinds of columns."""
    connection.execute(POSTS)
    return database_url


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Letters:
    """An embedder in the place of the model."""
    made = Letters()
    monkeypatch.setattr("pgvec.cli.adoption.run.embedder_for", lambda _column: made)
    return made


def adopt(url: str, *arguments: str, code: int = 0) -> Any:
    result = run_pgvec("adopt", *arguments, "--url", url)
    assert result.exit_code == code, result.output
    return result


ADOPT = ("--table", "public.posts", "--text", "title,body", "--dimensions", "384")


def test_what_is_written_fits(posts: str, tmp_path: Path, connection: psycopg.Connection, engine: Engine):
    """The model maps the table as it is; the revisions lead from the table to the model, and back."""
    adopt(posts, *ADOPT, "--into", str(tmp_path), "--storage", "plain")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["posts_column.py", "posts_index.py", "posts_model.py"]
    written = (tmp_path / "posts_model.py").read_text()
    names: dict[str, Any] = {"__name__": "posts_model"}
    exec(compile(written, "posts_model.py", "exec", dont_inherit=True), names)
    assert "ondelete='CASCADE'" in written
    project = Project(
        tmp_path / "alembic",
        posts,
        pgvec_schema=False,
        include_name=lambda name, kind, _: (kind, name) != ("table", "author") and kind != "foreign_key_constraint",
    )
    metadata = names["Base"].metadata
    for name in ("posts_column.py", "posts_index.py"):
        (tmp_path / "alembic" / "versions" / name).write_text((tmp_path / name).read_text())
    project.upgrade()
    assert [difference[0] for difference in project.difference(metadata)] == []
    storage = connection.execute("SELECT attstorage FROM pg_attribute WHERE attname = 'embedding'").fetchone()
    assert storage == ("p",)
    project.downgrade("base")
    repository = Repository(engine, names["Post"])
    assert repository.target.column.source == ("title", "body")


def test_it_is_done_online_and_resumes(posts: str, letters: Letters, connection: psycopg.Connection, engine: Engine):
    """``--run`` adds the column, embeds the rows in batches and builds the index; again, it finds all done."""
    answer = json.loads(adopt(posts, *ADOPT, "--run", "--json").stdout)
    assert answer == {"column_added": True, "backfill": {"embedded": 40, "without_text": 1}, "index_built": True}
    assert {"title 1\nbody 1", "title 5"} <= set(letters.texts)
    assert "column was there, 0 rows embedded, 1 without text, index was there" in adopt(posts, *ADOPT, "--run").stdout
    connection.execute("UPDATE posts SET embedding = NULL WHERE id < 4")
    assert "3 rows embedded" in adopt(posts, *ADOPT, "--run").stdout
    matches = Repository[Any](engine, reflect_table(engine, "posts")).search([1.0, 14] + [0.0] * 382, limit=5)
    assert matches.receipt.returned == 5


def test_a_row_that_changes_meanwhile_is_embedded_as_it_is(posts: str, connection: psycopg.Connection, engine: Engine):
    """The embedding of a text that is no more is not written; the next pass embeds the new one."""
    connection.execute("ALTER TABLE posts ADD embedding vector(384)")

    def change() -> None:
        connection.execute("UPDATE posts SET title = 'changed' WHERE id = 1")
        connection.execute("UPDATE posts SET embedding = array_fill(7, ARRAY[384])::vector WHERE id = 2")

    letters = Letters(change)
    heard: list[tuple[int, int | None]] = []
    table = reflect_table(engine, "posts")
    done = backfill(
        engine, table, "embedding", ("title", "body"), letters, batch_size=16, progress=lambda *how: heard.append(how)
    )
    assert (done.embedded, done.without_text) == (39, 1)
    assert letters.texts[-1] == "changed\nbody 1"
    assert heard[0] == (14, 40)
    kept = connection.execute("SELECT embedding::text LIKE '[7,%' FROM posts WHERE id = 2").fetchone()
    assert kept == (True,)


def test_a_busy_table_is_tried_again(posts: str, letters: Letters, connection: psycopg.Connection, database_url: str,
                                     monkeypatch: pytest.MonkeyPatch):  # fmt: skip
    """Who waits long for the table's lock keeps everybody waiting: adding the column gives up soon, and tries again."""
    monkeypatch.setattr("pgvec.cli.adoption.run._LOCK_TIMEOUT", "50ms")
    with psycopg.connect(database_url) as other:
        other.execute("UPDATE posts SET title = title WHERE id = 1")

        def leave(_seconds: float) -> None:
            other.rollback()

        monkeypatch.setattr("pgvec.cli.adoption.run.time.sleep", leave)
        result = adopt(posts, *ADOPT, "--run")
    assert "trying again (1 of 10)" in result.stderr
    assert "column added" in result.stdout


@pytest.mark.parametrize("library", MADE_BY_OTHERS)
def test_tables_of_other_libraries(
    library: str, connection: psycopg.Connection, database_url: str, engine: Engine, tmp_path: Path
):
    """Their vectors are used as they are: what is missing is an index, or the number of dimensions."""
    table, schema, statements = MADE_BY_OTHERS[library]
    connection.execute(statements)
    place = ("--table", table, "--schema", schema)
    assert library in adopt(database_url, *place, "--into", str(tmp_path)).stdout
    (model,) = tmp_path.glob("*_model.py")
    names: dict[str, Any] = {"__name__": "adopted"}
    exec(compile(model.read_text(), str(model), "exec", dont_inherit=True), names)
    (entity,) = [mapper.class_ for mapper in names["Base"].registry.mappers]
    undimensioned = library == "langchain-postgres (PGVector)"
    assert (len(list(tmp_path.iterdir())) == 3) is undimensioned
    answer = json.loads(adopt(database_url, *place, "--run", "--json").stdout)
    assert answer["backfill"]["embedded"] == 0
    assert answer["index_built"] is undimensioned
    matches = Repository(engine, entity).search([5, 1, 0], limit=2)
    assert matches.receipt.complete
    assert len(matches) == 2


def test_nothing_is_overwritten(posts: str, tmp_path: Path):
    """A file that is there is an error, and nothing is written beside it."""
    (tmp_path / "posts_index.py").write_text("mine")
    assert "posts_index.py exists" in adopt(posts, *ADOPT, "--into", str(tmp_path), code=2).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["posts_index.py"]


@pytest.mark.parametrize(
    ("statement", "arguments", "message"),
    [
        ("SELECT 1", ("--table", "posts", "--dimensions", "3"), "with --text"),
        ("SELECT 1", ("--table", "posts", "--text", "title"), "with --dimensions"),
        ("SELECT 1", ("--table", "posts", "--text", "nothing", "--dimensions", "3"), "--text names nothing"),
        ("SELECT 1", (*ADOPT, "--column", "body"), "holds no vectors"),
        ("SELECT 1", (*ADOPT, "--class-name", "a b"), "name of Python"),
        ("ALTER TABLE posts DROP CONSTRAINT posts_pkey", ADOPT, "no primary key"),
        ("ALTER TABLE posts ADD a vector(3), ADD b vector(3)", ADOPT, "several vector columns (a, b)"),
        ("ALTER TABLE posts ADD a vector(3)", ADOPT, "vectors of 3 dimensions, not of 384"),
        (
            "ALTER TABLE posts ADD a vector; UPDATE posts SET a = array_fill(1, ARRAY[1 + id::int % 2])::vector",
            ("--table", "posts"),
            "holds vectors of 1, 2 dimensions",
        ),
    ],
)
def test_mistakes(posts: str, connection: psycopg.Connection, statement: str, arguments: tuple[str, ...], message: str):
    """A mistake is one line that says what to do."""
    connection.execute(statement)
    assert message in " ".join(adopt(posts, *arguments, code=2).stderr.split())


def test_a_table_that_is_not_there(posts: str):
    """The error is that of every command."""
    assert "no table 'postz'" in adopt(posts, "--table", "postz", code=1).stderr
