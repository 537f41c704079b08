"""Runs the versioned scripts, each once per database, whichever history asks for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa
from alembic import op
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema, DropSchema, DropTable

from pgvec.errors import AccessDeniedError, ExtensionMissingError, ExtensionTooOldError, SchemaError
from pgvec.execution.sqlstate import translate
from pgvec.model.migration import AppliedScript
from pgvec.sql import SCHEMA, Script, find_script, migration_record

__all__ = [
    "LOCK",
    "applied_scripts",
    "changed_script",
    "downgrade_pgvec",
    "enter_schema",
    "leave_schema",
    "lock_schema",
    "script_error",
    "upgrade_pgvec",
]

# "pgvec" in ASCII: one lock for everyone who changes the schema of this database.
LOCK = sa.select(sa.func.pg_catalog.pg_advisory_xact_lock(int.from_bytes(b"pgvec", "big")))
_NAMESPACE = sa.func.pg_catalog.to_regnamespace(SCHEMA)


def upgrade_pgvec(name: str, *, context: MigrationContext | None = None, extension_schema: str | None = None) -> None:
    """Run a script within the Alembic migration that is running; a script that was run before is left alone.

    Args:
        name: The script, ``0002_extension``.
        context: The migration, where it is not the one that ``alembic.op`` knows.
        extension_schema: Where to install the extension ``vector`` if it is missing; None leaves what was chosen before.

    Raises:
        ExtensionMissingError: The extension is not installed, and this role or server cannot install it.
        ExtensionTooOldError: The installed extension is older than pgvec supports.
        SchemaError: The script was run before with another content.
    """
    script = find_script(name)
    context = context or op.get_context()
    record = sa.insert(migration_record).values(name=script.name, checksum=script.checksum)
    if context.as_sql:
        if extension_schema is not None:
            _write(context, _choose_schema(extension_schema))
        context.impl.static_output(script.up)
        _write(context, record)
        return
    connection = _bound(context)
    with _translated():
        if extension_schema is not None:
            connection.execute(_choose_schema(extension_schema))
        if _recorded_checksum(connection, script) is None:
            _run_raw(connection, script.up)
            connection.execute(record)


def downgrade_pgvec(name: str, *, context: MigrationContext | None = None) -> None:
    """Take a script back within the Alembic migration that is running; a script that was not run is left alone.

    Args:
        name: The script, ``0002_extension``.
        context: The migration, where it is not the one that ``alembic.op`` knows.
    """
    script = find_script(name)
    context = context or op.get_context()
    record = sa.delete(migration_record).where(migration_record.c.name == script.name)
    if context.as_sql:
        _write(context, record)
        context.impl.static_output(script.down)
        return
    connection = _bound(context)
    with _translated():
        if _recorded_checksum(connection, script) is not None:
            connection.execute(record)
            _run_raw(connection, script.down)


def lock_schema(connection: sa.Connection) -> None:
    """Wait until no other transaction changes the schema, and keep others waiting until this one ends.

    The lock belongs to the transaction, so it also holds behind PgBouncer in transaction mode.
    """
    connection.execute(LOCK)


def enter_schema(context: MigrationContext, *, extension_schema: str | None = None, from_base: bool = False) -> None:
    """Take the lock and make the schema, in which Alembic then looks for its own version table.

    Args:
        context: The running Alembic migration.
        extension_schema: Where to install the extension ``vector`` if it is missing.
        from_base: Whether SQL that is only written starts from a database without the schema.

    Raises:
        AccessDeniedError: The schema does not exist, and the role may not make it.
    """
    if context.as_sql:
        _write(context, LOCK)
        if from_base:
            _write(context, CreateSchema(SCHEMA, if_not_exists=True))
        if extension_schema is not None:
            _write(context, _choose_schema(extension_schema))
        return
    connection = _bound(context)
    with _translated():
        lock_schema(connection)
        _create_schema(connection)
        if extension_schema is not None:
            connection.execute(_choose_schema(extension_schema))


def leave_schema(context: MigrationContext, *, to_base: bool = False) -> None:
    """Drop Alembic's version table and the schema when nothing of pgvec is left, so that ``down`` leaves no trace.

    Args:
        context: The running Alembic migration.
        to_base: Whether SQL that is only written has taken every script back.
    """
    version_table = context._version  # noqa: SLF001
    if context.as_sql:
        if to_base:
            _write(context, DropTable(version_table, if_exists=True))
            _write(context, DropSchema(SCHEMA, if_exists=True))
        return
    connection = _bound(context)
    with _translated():
        if context.get_current_heads() or applied_scripts(connection):
            return
        version_table.drop(connection, checkfirst=True)
        if _may_create_schema(connection) and _is_empty(connection):
            connection.execute(DropSchema(SCHEMA))


def applied_scripts(connection: sa.Connection) -> tuple[AppliedScript, ...]:
    """Return what the table ``pgvec.migration`` tells, in the order of the names; nothing where it does not exist."""
    if connection.scalar(sa.select(sa.func.pg_catalog.to_regclass("pgvec.migration"))) is None:
        return ()
    rows = connection.execute(sa.select(migration_record).order_by(migration_record.c.name.collate("C")))
    return tuple(AppliedScript(*row) for row in rows)


def _choose_schema(extension_schema: str) -> sa.Select[tuple[str]]:
    return sa.select(sa.func.pg_catalog.set_config("pgvec.extension_schema", extension_schema, True))


def _recorded_checksum(connection: sa.Connection, script: Script) -> str | None:
    lock_schema(connection)
    recorded = {applied.name: applied.checksum for applied in applied_scripts(connection)}.get(script.name)
    if recorded not in (None, script.checksum):
        raise changed_script(script, str(recorded))
    return recorded


def _create_schema(connection: sa.Connection) -> None:
    if connection.scalar(sa.select(_NAMESPACE)) is not None:
        return
    if not _may_create_schema(connection):
        database, role = connection.execute(
            sa.select(sa.func.pg_catalog.current_database(), sa.literal_column("CURRENT_USER"))
        ).one()
        quoted = connection.dialect.identifier_preparer.quote(role)
        raise AccessDeniedError(
            f"The role {role} may not create the schema pgvec in the database {database}. Let its owner or an "
            f"administrator run there:  CREATE SCHEMA pgvec AUTHORIZATION {quoted};",
            sqlstate="42501",
        )
    connection.execute(CreateSchema(SCHEMA))


def _may_create_schema(connection: sa.Connection) -> bool:
    catalog = sa.func.pg_catalog
    return bool(connection.scalar(sa.select(catalog.has_database_privilege(catalog.current_database(), "CREATE"))))


def _is_empty(connection: sa.Connection) -> bool:
    depend = sa.table("pg_depend", sa.column("refclassid"), sa.column("refobjid"), schema="pg_catalog")
    members = sa.exists().where(
        depend.c.refclassid == sa.func.pg_catalog.to_regclass("pg_catalog.pg_namespace"),
        depend.c.refobjid == _NAMESPACE,
    )
    return not connection.scalar(sa.select(members))


def _run_raw(connection: sa.Connection, script: str) -> None:
    # Without this option a % or :word of the script would be taken for a bind parameter.
    connection.exec_driver_sql(script, execution_options={"no_parameters": True})


def _write(context: MigrationContext, statement: sa.ClauseElement) -> None:
    compiled = statement.compile(dialect=context.dialect, compile_kwargs={"literal_binds": True})
    context.impl.static_output(f"{compiled};")


def _bound(context: MigrationContext) -> sa.Connection:
    connection = context.connection
    assert connection is not None
    return connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as exc:
        error = (script_error(exc.orig) if isinstance(exc.orig, psycopg.Error) else None) or translate(exc)
        if error is exc:
            raise
        raise error from exc


def changed_script(script: Script, recorded: str) -> SchemaError:
    """Return the error for a script that was run with another content; ``recorded`` is the SHA-256 of that."""
    return SchemaError(
        f"Migration {script.name} was run in this database with another content (SHA-256 {recorded}, here "
        f"{script.checksum}); install the pgvec that ran it, or take its change back by hand"
    )


def script_error(exc: psycopg.Error) -> SchemaError | None:
    """Return the error that a script raised itself, under an SQLSTATE of its own, or None where it is another one."""
    told = exc.diag
    message = f"{told.message_primary} {told.message_hint}"
    if exc.sqlstate == "PV001":
        return ExtensionTooOldError(message, **json.loads(told.message_detail or "{}"))
    if exc.sqlstate == "PV002":
        return ExtensionMissingError(message)
    return None
