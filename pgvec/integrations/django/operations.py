"""The migration operation that runs one script of the Postgres schema ``pgvec``, as Alembic's histories and ``pgvec migrate`` do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from django.db import router
from django.db.migrations.operations.base import Operation
from django.db.utils import Error

from pgvec.execution.scripts import LOCK, changed_script, script_error
from pgvec.integrations.django.driver import DIALECT, translate_django
from pgvec.sql import Script, find_script, migration_record

__all__ = ["RunPgvecSQL"]


class RunPgvecSQL(Operation):
    """Runs a script, unless the record in the database says that it was run before, by whichever history.

    Args:
        name: The script, ``0002_extension``.
    """

    reversible = True
    reduces_to_sql = True
    atomic = True

    def __init__(self, name: str) -> None:
        self.name = name

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Tell migrations how to make this operation."""
        return type(self).__name__, [self.name], {}

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Leave the models as they are."""

    def database_forwards(self, app_label: str, schema_editor: Any, _from: Any, _to: Any) -> None:
        """Run the script and record it.

        Raises:
            ExtensionMissingError: The extension is not installed, and this role or server cannot install it.
            ExtensionTooOldError: The installed extension is older than pgvec supports.
            SchemaError: The script was run before with another content.
        """
        script = find_script(self.name)
        record = sa.insert(migration_record).values(name=script.name, checksum=script.checksum)
        if not self._applies(app_label, schema_editor):
            return
        with _translated():
            if schema_editor.collect_sql or _recorded(schema_editor, script) is None:
                schema_editor.execute(script.up, params=None)
                schema_editor.execute(_written(record), params=None)

    def database_backwards(self, app_label: str, schema_editor: Any, _from: Any, _to: Any) -> None:
        """Take the script back, if it was run."""
        script = find_script(self.name)
        record = sa.delete(migration_record).where(migration_record.c.name == script.name)
        if not self._applies(app_label, schema_editor):
            return
        with _translated():
            if schema_editor.collect_sql or _recorded(schema_editor, script) is not None:
                schema_editor.execute(_written(record), params=None)
                schema_editor.execute(script.down, params=None)

    def describe(self) -> str:
        """Say what it does, for ``migrate --plan``."""
        return f"Runs the script {self.name} of the Postgres schema pgvec"

    @staticmethod
    def _applies(app_label: str, schema_editor: Any) -> bool:
        """Whether the database is one for pgvec: a project may have others, which its routers or their kind tell."""
        connection = schema_editor.connection
        return connection.vendor == "postgresql" and bool(router.allow_migrate(connection.alias, app_label))


def _recorded(schema_editor: Any, script: Script) -> str | None:
    """Return the checksum with which a script was run, after taking the lock that everyone takes who changes the schema."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(_written(LOCK))
        cursor.execute(_written(sa.select(sa.func.pg_catalog.to_regclass("pgvec.migration"))))
        if cursor.fetchone() == (None,):
            return None
        wanted = sa.select(migration_record.c.checksum).where(migration_record.c.name == script.name)
        cursor.execute(_written(wanted))
        row = cursor.fetchone()
    if row is not None and row[0] != script.checksum:
        raise changed_script(script, row[0])
    return None if row is None else str(row[0])


def _written(statement: sa.ClauseElement) -> str:
    return str(statement.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True}))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Error as exc:
        own = script_error(exc.__cause__) if isinstance(exc.__cause__, psycopg.Error) else None
        error = own or translate_django(exc)
        if error is exc:
            raise
        raise error from exc
