"""Alembic environment of the Postgres schema ``pgvec``; run by ``pgvec migrate`` and by plain ``alembic``."""

from __future__ import annotations

import os
from logging.config import fileConfig

import sqlalchemy as sa
from alembic import context

from pgvec.errors import ConfigurationError
from pgvec.execution.migrate import migration_engine
from pgvec.execution.scripts import enter_schema, leave_schema
from pgvec.sql import SCHEMA

config = context.config
arguments = context.get_x_argument(as_dictionary=True)
extension_schema = config.attributes.get("extension_schema") or arguments.get("extension_schema")


def run_offline() -> None:
    """Write the SQL instead of running it."""
    context.configure(
        dialect_name="postgresql+psycopg",
        # With pyformat, Alembic would double every % sign of the output.
        dialect_opts={"paramstyle": "named"},
        literal_binds=True,
        version_table_schema=SCHEMA,
    )
    with context.begin_transaction():
        migration = context.get_context()
        start, goal = context.get_starting_revision_argument(), context.get_revision_argument()
        enter_schema(migration, extension_schema=extension_schema, from_base=not start)
        context.run_migrations()
        leave_schema(migration, to_base=not goal)


def run_online(connection: sa.Connection) -> None:
    """Run on a connection, in its transaction if it has one."""
    context.configure(connection=connection, version_table_schema=SCHEMA)
    migration = context.get_context()
    with context.begin_transaction():
        if migration.opts.get("dont_mutate"):  # `alembic current` and its like only read
            context.run_migrations()
        else:
            enter_schema(migration, extension_schema=extension_schema)
            context.run_migrations()
            leave_schema(migration)


def connect() -> sa.Connection:
    """Open the database that the command line or the environment names."""
    if config.config_file_name is not None:
        fileConfig(config.config_file_name, disable_existing_loggers=False)
    url = arguments.get("url") or os.environ.get("PGVEC_URL")
    if not url:
        raise ConfigurationError("No database given: set PGVEC_URL, or call  alembic -x url=postgresql://... ")
    return migration_engine(url).connect()


if context.is_offline_mode():
    run_offline()
elif (given := config.attributes.get("connection")) is not None:
    run_online(given)
else:
    with connect() as opened:
        run_online(opened)
