"""Runs recipes on Django's own connection, in its transaction and through its cursor, so that all that watches Django sees them."""

from __future__ import annotations

import time
from collections import namedtuple
from collections.abc import Generator, Mapping
from contextlib import nullcontext
from typing import Any, TypeVar

import numpy as np
import sqlalchemy as sa
from django.db import connections, transaction
from django.db.utils import Error
from psycopg import Connection, Cursor
from psycopg import Error as DriverError
from psycopg.rows import tuple_row
from psycopg.types.json import JsonbLoader
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from pgvec.errors import ConfigurationError, PgvecError
from pgvec.execution.facts import PROBE, check_facts
from pgvec.execution.prepared import Found, PreparedFind, prepare_find
from pgvec.execution.sqlstate import translate
from pgvec.execution.survey import ask_survey, seconds_known
from pgvec.model import ServerFacts, TableFacts
from pgvec.orm.values import to_text
from pgvec.statements.requests import Execute, Explain, Find, Forget, Request, Result, Survey

__all__ = ["DjangoDriver", "facts_of", "translate_django"]

T = TypeVar("T")

DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
_facts: dict[tuple[Any, ...], ServerFacts] = {}
_surveys: dict[tuple[Any, ...], tuple[float, TableFacts]] = {}


class DjangoDriver:
    """Runs recipes on the connection of one alias; it opens no transaction and commits none.

    Args:
        using: Alias of the database in ``DATABASES``.

    Raises:
        ConfigurationError: It is no PostgreSQL, or not reached through psycopg 3.
    """

    def __init__(self, using: str) -> None:
        self.using = using
        self.connection = connections[using]
        if self.connection.vendor != "postgresql":
            raise ConfigurationError(
                f"The database {using!r} is {self.connection.vendor}, and pgvec searches in PostgreSQL: name another with "
                ".using(...), or route the model there"
            )

    def run(self, recipe: Generator[Request, Any, T]) -> T:
        """Run a recipe to its end and return what it returns. Errors of the database arrive in it as pgvec's."""
        answer: Any = None
        error: BaseException | None = None
        while True:
            try:
                request = recipe.send(answer) if error is None else recipe.throw(error)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            answer = error = None
            try:
                answer = self._answer(request)
            except (Error, UnicodeEncodeError) as exc:
                error = translate_django(exc)
                if error is not exc:
                    error.__cause__ = exc

    def _answer(self, request: Request) -> Any:
        match request:
            case Find():
                return self._find(request)
            case Execute():
                return self._execute(request)
            case Survey():
                return self._survey(request)
            case Explain():
                return self._explain(request)
            case Forget():
                return None  # Django's records are nobody's but the caller's

    def _find(self, find: Find) -> list[Found]:
        prepared, sql, arguments = self._prepared(find)
        with self.connection.cursor() as cursor:
            cursor.execute(sql, arguments)
            return prepared.found(prepared.processed(cursor.fetchall(), cursor.cursor), None)

    def _prepared(self, find: Find) -> tuple[PreparedFind, str, dict[str, Any]]:
        prepared = prepare_find(find, facts_of(self.connection).extension_schema, DIALECT)
        if prepared.sql is not None:
            sql, arguments = prepared.sql, prepared.arguments(find)
        else:
            sql, arguments = _compiled(prepared.current(find), find.parameters)
        return prepared, sql, {name: _as_text(value) for name, value in arguments.items()}

    def _survey(self, request: Survey) -> tuple[TableFacts | None, int]:
        key = (*_database(self.connection), request.target)
        until, known = _surveys.get(key, (0.0, None))
        if until > time.monotonic() and not request.fresh:
            return known, 0
        self.connection.ensure_connection()
        facts, statements = ask_survey(self._ask, request.target, request.target.entity.schema)
        # That a table does not exist is not remembered: it may be made at the next moment.
        if facts is not None:
            _surveys[key] = (time.monotonic() + seconds_known(facts), facts)
        return facts, statements

    def _ask(self, statement: sa.TextClause, parameters: Mapping[str, Any]) -> list[Any]:
        """Run a statement about the database, unseen by Django: who counts queries counts those of his code."""
        sql, arguments = _compiled(statement, parameters)
        with self.connection.wrap_database_errors, Cursor(self.connection.connection, row_factory=tuple_row) as cursor:
            # Django reads jsonb as text.
            cursor.adapters.register_loader("jsonb", JsonbLoader)
            return _rows(cursor.execute(sql, arguments), scalars=False)

    def _explain(self, request: Explain) -> tuple[str, Any]:
        _, sql, arguments = self._prepared(request.find)
        options = "ANALYZE, FORMAT JSON" if request.analyze else "FORMAT JSON"
        with self.connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN ({options}) {sql}", arguments)
            ((plan,),) = cursor.fetchall()
        return sql, plan[0]

    def _execute(self, request: Execute) -> Result:
        many = request.parameters if not isinstance(request.parameters, Mapping | None) else [request.parameters or {}]
        rows: list[Any] = []
        count = 0
        scope = transaction.atomic(using=self.using) if request.savepoint else nullcontext()
        with scope, self.connection.cursor() as cursor:
            for parameters in many:
                sql, arguments = _compiled(request.statement, parameters)
                cursor.execute(sql, {name: _as_text(value) for name, value in arguments.items()})
                count += cursor.rowcount
                rows += _rows(cursor, request.scalars)
        return Result(rows, count)


def facts_of(connection: Any) -> ServerFacts:
    """Return the facts of the server behind a connection of Django, asked once for each database and process.

    Raises:
        ConfigurationError: Django does not reach it through psycopg 3.
        ExtensionMissingError: The extension ``vector`` is not installed in this database.
        ExtensionTooOldError: It is older than pgvec supports.
    """
    key = _database(connection)
    if key not in _facts:
        connection.ensure_connection()
        if not isinstance(connection.connection, Connection):
            raise ConfigurationError(
                f"Django reaches the database {connection.alias!r} through {type(connection.connection).__module__}, and "
                "pgvec works through psycopg 3: uninstall psycopg2, and Django takes psycopg"
            )
        # Not through Django's cursor: a test that counts queries would find one more in the first search of a process.
        with connection.wrap_database_errors, connection.connection.cursor() as cursor:
            _facts[key] = check_facts(cursor.execute(str(PROBE)).fetchone())
    return _facts[key]


def _database(connection: Any) -> tuple[str, ...]:
    """Return what tells one database of the settings from another, also while tests change their names."""
    settings = connection.settings_dict
    return (connection.alias, *(str(settings.get(name)) for name in ("HOST", "PORT", "NAME", "OPTIONS")))


def translate_django(exc: BaseException) -> BaseException:
    """Return the error of pgvec that stands for an error of Django's database layer, or ``exc`` itself where none does."""
    cause = exc.__cause__ if isinstance(exc.__cause__, DriverError) else exc
    translated = translate(cause)
    return translated if isinstance(translated, PgvecError) else exc


def _compiled(statement: Any, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a statement of SQLAlchemy as text for the driver, with its arguments."""
    compiled = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
    processors = compiled._bind_processors
    values = compiled.construct_params(dict(parameters)).items()
    return compiled.string, {name: processors[name](value) if name in processors else value for name, value in values}


def _rows(cursor: Any, scalars: bool) -> list[Any]:
    if cursor.description is None:
        return []
    if scalars:
        return [row[0] for row in cursor.fetchall()]
    names = [column[0] for column in cursor.description]
    row_type: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024 - the names are data
    return [row_type._make(row) for row in cursor.fetchall()]


def _as_text(value: Any) -> Any:
    """Write a query vector as text: whoever logs Django's statements must be able to show it."""
    return to_text(value) if isinstance(value, np.ndarray) else value
