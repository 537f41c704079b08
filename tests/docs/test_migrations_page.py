"""``docs/migrations.md`` does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table
from support.alembic_project import Project

from pgvec.execution import migrate
from pgvec.integrations.alembic.column_change import VectorValues
from pgvec.sql import migrations_path, scripts

MODEL = """
from typing import Any
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from pgvec.orm import Embedding, HnswIndex

class Base(DeclarativeBase):
    pass

"""
CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "migrations.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_python_examples_run(empty_database_url: str, monkeypatch: pytest.MonkeyPatch):
    """The examples run one after the other on an empty database, and the SQL that they write runs too."""
    monkeypatch.setenv("PGVEC_URL", empty_database_url)
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "docs/migrations.md", "exec"), names)
    assert "DROP TABLE pgvec.migration" not in str(names["way_back"])
    assert names["depends_on"] == scripts()[-1].revision


def test_every_script_is_described():
    """The page lists each script."""
    assert re.findall(r"^\| `(\d{4}_\w+)` \|", PAGE, re.MULTILINE) == [script.name for script in scripts()]


def test_the_administrators_statements_are_enough(login_role: str, empty_database_url: str, role_url: str):
    """After the statements of the page a role without any privilege migrates."""
    import psycopg

    (statements,) = blocks("sql")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(statements.replace("application", login_role))
    assert migrate.up(role_url)


def test_the_named_configuration_is_the_checkouts():
    """The path that the page gives to ``alembic -c`` is the environment of the checkout."""
    (path,) = set(re.findall(r"alembic -c (\S+)", PAGE))
    assert CHECKOUT / path == migrations_path() / "alembic.ini"


def test_autogenerate_writes_what_the_page_shows(tmp_path: Path, empty_database_url: str):
    """With the line and the model of the page, Alembic writes the revision of the page, which runs in both directions."""
    line, model, revision = blocks("py")
    names: dict[str, Any] = {}
    exec(compile(MODEL + model, "docs/migrations.md", "exec", dont_inherit=True), names)
    project = Project(tmp_path / "alembic", empty_database_url)
    environment = tmp_path / "alembic" / "env.py"
    text, settings = environment.read_text(), "context.configure(connection=connection, **options)"
    assert settings in text
    call = line.strip().replace("Base.metadata", 'config.attributes["target_metadata"]').replace("\n", "\n        ")
    environment.write_text(text.replace(settings, call))
    before = MetaData()
    Table("article", before, Column("id", Integer, primary_key=True), Column("body", String, nullable=False))
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE TABLE article (id serial PRIMARY KEY, body varchar NOT NULL)")
    written = project.revise(names["Base"].metadata)
    assert without_comments(written.partition("def upgrade()")[2]) == without_comments(
        revision.partition("def upgrade()")[2]
    )
    project.upgrade()
    assert not project.difference(names["Base"].metadata)
    project.downgrade("base")
    assert not [found for found in project.difference(before) if found[0] != "upgrade_pgvec"]


def without_comments(text: str) -> list[str]:
    """Return the statements of a revision."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith(("#", '"""'))]


def test_every_operation_is_described():
    """The page has each operation with its options."""
    import alembic.op

    names = (
        "create_vector_index",
        "drop_vector_index",
        "rebuild_vector_index",
        "alter_embedding",
        "upgrade_pgvec",
        "downgrade_pgvec",
    )
    assert all(hasattr(alembic.op, name) and f"op.{name}(" in PAGE for name in names)
    assert all(f'`"{values}"`' in PAGE for values in VectorValues)
