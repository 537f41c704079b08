"""``docs/migrations.md`` does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pgvec.execution import migrate
from pgvec.sql import migrations_path, scripts

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
