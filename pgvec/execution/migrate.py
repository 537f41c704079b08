"""What ``pgvec migrate up|down|sql|status`` does: plain functions that take a URL or an engine."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from pgvec.errors import InvalidOptionError, SchemaError
from pgvec.execution.scripts import applied_scripts, lock_schema
from pgvec.execution.sqlstate import translated
from pgvec.execution.url import engine_url
from pgvec.model.migration import AppliedScript, MigrationStatus
from pgvec.sql import SCHEMA, Script, find_script, migrations_path, scripts

__all__ = ["down", "migration_engine", "sql", "status", "up"]

BASE = "base"
HEAD = "head"


def up(target: str | sa.Engine, *, to: str = HEAD, extension_schema: str | None = None) -> tuple[str, ...]:
    """Run the scripts that are pending, all in one transaction, and return their names.

    Two calls at once are safe: the second waits, then finds nothing to do.

    Args:
        target: Connection URL or string in any form that libpq or SQLAlchemy knows, or an engine (psycopg 3).
        to: Last script to run, by name or number; ``"head"`` is the newest.
        extension_schema: Where to install the extension ``vector`` if it is missing; None leaves it to Postgres.

    Raises:
        AccessDeniedError: The role may not make the schema; the message holds the statement for an administrator.
        ExtensionMissingError: The extension is missing, and this role or server cannot install it.
        ExtensionTooOldError: The extension is older than pgvec supports.
        SchemaError: The database was migrated by a newer pgvec, or by scripts with another content.
    """
    goal = _place(to)
    with _transaction(target) as connection:
        config = _config(connection=connection, extension_schema=extension_schema)
        done = _align(config, connection)
        if goal > done:
            command.upgrade(config, _revision(goal))
        return tuple(script.name for script in scripts()[done : max(goal, done)])


def down(target: str | sa.Engine, *, to: str | None = None) -> tuple[str, ...]:
    """Take scripts back, newest first, all in one transaction, and return their names.

    The extension ``vector`` stays.

    Args:
        target: As for :func:`up`.
        to: Last script to keep, by name or number; ``"base"`` keeps none; None takes back one script.
    """
    with _transaction(target) as connection:
        config = _config(connection=connection)
        done = _align(config, connection)
        goal = max(done - 1, 0) if to is None else _place(to)
        if goal < done:
            command.downgrade(config, _revision(goal))
        return tuple(script.name for script in reversed(scripts()[min(goal, done) : done]))


def sql(*, start: str = BASE, to: str = HEAD, extension_schema: str | None = None) -> str:
    """Return the SQL that leads from one script to another, as one transaction; no connection is made.

    Args:
        start: Script that the database is at; ``"base"`` is a database without the schema ``pgvec``.
        to: Script to reach; one before ``start`` gives the way back.
        extension_schema: As for :func:`up`.

    Raises:
        InvalidOptionError: A script is unknown, or both are the same.
    """
    first, last = _place(start), _place(to)
    if first == last:
        raise InvalidOptionError(f"From {start} to {to} there is nothing to do; name two different migrations")
    output = io.StringIO()
    run = command.upgrade if first < last else command.downgrade
    run(_config(output, extension_schema=extension_schema), f"{_revision(first)}:{_revision(last)}", sql=True)
    title = f"-- The Postgres schema pgvec, from {_title(first)} to {_title(last)}."
    return f"{title}\n-- psql -v ON_ERROR_STOP=1 -f FILE\n\n{output.getvalue()}"


def status(target: str | sa.Engine) -> MigrationStatus:
    """Return where a database stands; any role that may connect can ask, and nothing is written."""
    with _transaction(target) as connection:
        applied = applied_scripts(connection)
        extension = connection.scalar(
            sa.select(sa.column("extversion"))
            .select_from(sa.table("pg_extension", schema="pg_catalog"))
            .where(sa.column("extname") == "vector")
        )
    here = {script.name: script.checksum for script in scripts()}
    there = {script.name: script.checksum for script in applied}
    return MigrationStatus(
        current=applied[-1].name if applied else None,
        head=scripts()[-1].name,
        pending=tuple(name for name in here if name not in there),
        applied=applied,
        unknown=tuple(name for name in there if name not in here),
        changed=tuple(name for name in there if name in here and here[name] != there[name]),
        extension_version=extension,
    )


def migration_engine(url: str) -> sa.Engine:
    """Return an engine that keeps no connection open and suits every pooler in front of the server."""
    # Behind PgBouncer the next transaction may run on another server, which does not know a prepared statement.
    return sa.create_engine(engine_url(url), poolclass=sa.NullPool, connect_args={"prepare_threshold": None})


def _align(config: Config, connection: sa.Connection) -> int:
    """Let Alembic's version follow the record of the scripts, and return how many of them were run.

    Another history (the application's own Alembic or Django migrations) may have run or taken back scripts meanwhile.
    """
    lock_schema(connection)
    done = _checked(applied_scripts(connection))
    context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
    expected = (_revision(done),) if done else ()
    if context.get_current_heads() != expected:
        command.stamp(config, _revision(done), purge=True)
    return done


def _checked(applied: tuple[AppliedScript, ...]) -> int:
    known: tuple[Script, ...] = scripts()
    for position, script in enumerate(applied):
        if position == len(known):
            raise SchemaError(
                f"A newer pgvec has migrated this database ({script.name}); install that version to change its schema"
            )
        if (script.name, script.checksum) != (known[position].name, known[position].checksum):
            raise SchemaError(
                f"Migration {script.name} of this database is not the script of this pgvec at its place "
                f"({known[position].name}); install the version that ran it"
            )
    return len(applied)


def _place(name: str) -> int:
    if name == BASE:
        return 0
    return len(scripts()) if name == HEAD else find_script(name).number


def _revision(place: int) -> str:
    return scripts()[place - 1].revision if place else BASE


def _title(place: int) -> str:
    return scripts()[place - 1].name if place else "nothing"


def _config(output: io.StringIO | None = None, **attributes: object) -> Config:
    config = Config(migrations_path() / "alembic.ini", output_buffer=output)
    config.attributes.update(attributes)
    return config


@contextmanager
def _transaction(target: str | sa.Engine) -> Iterator[sa.Connection]:
    engine = target if isinstance(target, sa.Engine) else migration_engine(target)
    # A snapshot taken before the lock was granted would not show what its last holder has committed.
    committed = engine.execution_options(isolation_level="READ COMMITTED")
    with translated(), committed.begin() as connection:
        yield connection
