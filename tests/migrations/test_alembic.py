"""pgvec's scripts under plain ``alembic``, and inside of an application's own Alembic history."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config

from pgvec.execution import migrate
from pgvec.execution.url import engine_url
from pgvec.sql import migrations_path, scripts

ALL = tuple(script.name for script in scripts())
HEAD = scripts()[-1].revision

APPLICATION_ENV = """
from alembic import context
from sqlalchemy import create_engine

engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""
APPLICATION_REVISION = """
from alembic import op

revision = "shop_1"
down_revision = None
branch_labels = ("shop",)
depends_on = "LAST"


def upgrade():
    op.execute("CREATE TABLE article (id bigint PRIMARY KEY, embedding vector(3))")


def downgrade():
    op.execute("DROP TABLE article")
"""


def alembic(*arguments: str, url: str | None = None) -> str:
    environment = {name: text for name, text in os.environ.items() if name != "PGVEC_URL"}
    if url is not None:
        environment["PGVEC_URL"] = url
    program = [sys.executable, "-m", "alembic", "-c", str(migrations_path() / "alembic.ini"), *arguments]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def versions(url: str, table: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return sorted(row[0] for row in connection.execute(f"SELECT version_num FROM {table}"))


def has_schema(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT to_regnamespace('pgvec')").fetchone() != (None,)


@pytest.fixture
def application(tmp_path: Path, empty_database_url: str) -> Config:
    """An application's Alembic configuration that lists pgvec's versions beside its own."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(APPLICATION_ENV)
    (tmp_path / "versions" / "shop_1.py").write_text(APPLICATION_REVISION.replace("LAST", scripts()[-1].revision))
    config = Config()
    config.set_main_option("script_location", str(tmp_path))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{tmp_path / 'versions'}\n{migrations_path() / 'versions'}")
    url = engine_url(empty_database_url).render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def test_plain_alembic_gives_the_same_schema(empty_database_url: str, dump_schema: Callable[[str], str]):
    """``alembic upgrade head`` with PGVEC_URL does what ``pgvec migrate up`` does, and either goes on where the other was."""
    migrate.up(empty_database_url)
    expected = dump_schema(empty_database_url)
    migrate.down(empty_database_url, to="base")
    alembic("upgrade", "head", url=empty_database_url)
    assert dump_schema(empty_database_url) == expected
    assert migrate.status(empty_database_url).is_current
    assert migrate.down(empty_database_url, to="base") == tuple(reversed(ALL))


def test_plain_alembic_takes_the_url_as_an_argument(empty_database_url: str):
    """``-x url=`` names the database, ``downgrade base`` leaves nothing but the extension."""
    argument = f"url={empty_database_url}"
    alembic("-x", argument, "upgrade", "head")
    assert versions(empty_database_url, "pgvec.alembic_version") == [HEAD]
    alembic("-x", argument, "downgrade", "base")
    assert not has_schema(empty_database_url)


def test_plain_alembic_needs_a_database():
    """Without PGVEC_URL and ``-x url=`` the error says what to set."""
    with pytest.raises(AssertionError, match="set PGVEC_URL"):
        alembic("upgrade", "head")


def test_reading_commands_write_nothing(empty_database_url: str):
    """``alembic current`` leaves an untouched database untouched, and tells the revision of another."""
    assert alembic("current", url=empty_database_url) == ""
    assert not has_schema(empty_database_url)
    migrate.up(empty_database_url)
    assert HEAD in alembic("current", url=empty_database_url)


def test_plain_alembic_writes_the_same_sql():
    """``alembic upgrade head --sql`` needs no database and writes what ``pgvec migrate sql`` writes."""
    assert alembic("upgrade", "head", "--sql").strip() in migrate.sql()
    down = alembic("downgrade", f"{HEAD}:base", "--sql").strip()
    assert down in migrate.sql(start="head", to="base")


def test_scripts_run_in_an_applications_own_history(application: Config, empty_database_url: str):
    """With pgvec's folder in ``version_locations`` one ``upgrade heads`` runs both histories, one ``downgrade`` takes both back."""
    command.upgrade(application, "heads")
    assert migrate.status(empty_database_url).is_current
    assert versions(empty_database_url, "public.alembic_version") == ["shop_1"]
    command.downgrade(application, "base")
    assert not has_schema(empty_database_url)


def test_both_histories_may_meet(application: Config, empty_database_url: str):
    """A script that one history has run is left alone by the other: the record decides, not Alembic's versions."""
    migrate.up(empty_database_url)
    before = migrate.status(empty_database_url).applied
    command.upgrade(application, "heads")
    assert migrate.status(empty_database_url).applied == before
    command.downgrade(application, "base")
    assert migrate.status(empty_database_url).pending == ALL
    assert migrate.up(empty_database_url) == ALL


def test_pgvec_takes_over_what_an_application_has_run(application: Config, empty_database_url: str):
    """``pgvec migrate`` continues from scripts that another history ran, in both directions."""
    command.upgrade(application, "pgvec@head")
    assert migrate.up(empty_database_url) == ()
    assert versions(empty_database_url, "pgvec.alembic_version") == [HEAD]
    assert migrate.down(empty_database_url, to="base") == tuple(reversed(ALL))
    assert not has_schema(empty_database_url)
