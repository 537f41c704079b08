"""Builds, rebuilds and drops the vector indexes of models online, on Django's own connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

from django.db import router
from django.db.utils import Error
from psycopg import sql

from pgvec.errors import IndexNotFoundError, SchemaError
from pgvec.integrations.django.driver import translate_django
from pgvec.integrations.django.reading import indexes_on, vector_fields

__all__ = ["DeclaredIndex", "IndexState", "build", "declared_indexes", "drop", "rebuild", "state_of"]

_STATE = (
    "SELECT i.indisvalid, pg_catalog.pg_relation_size(i.indexrelid)"
    " FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid"
    " WHERE c.relname = %s AND i.indrelid = pg_catalog.to_regclass(%s)"
)
# What a killed REINDEX CONCURRENTLY leaves behind is named after its index.
_LEFTOVERS = (
    "SELECT c.relname FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid"
    " WHERE NOT i.indisvalid AND i.indrelid = pg_catalog.to_regclass(%s) AND pg_catalog.starts_with(c.relname, %s)"
)


@dataclass(frozen=True, slots=True)
class DeclaredIndex:
    """A vector index as a model declares it.

    Attributes:
        model: The model.
        index: What stands in its ``Meta.indexes``.
    """

    model: Any
    index: Any

    @property
    def name(self) -> str:
        """Name of the index."""
        return str(self.index.name)


@dataclass(frozen=True, slots=True)
class IndexState:
    """An index as it stands in the database.

    Attributes:
        is_valid: False for what a build left behind that did not come to its end.
        size_bytes: Its size on disk.
    """

    is_valid: bool
    size_bytes: int


def declared_indexes(app_configs: Iterable[Any], using: str) -> Iterator[DeclaredIndex]:
    """Yield the vector indexes of the models that a database holds."""
    for config in app_configs:
        for model in config.get_models():
            if model._meta.proxy or not model._meta.managed or not router.allow_migrate_model(using, model):
                continue
            for field in vector_fields(model):
                if field.model is model:
                    yield from (DeclaredIndex(model, index) for index, _ in indexes_on(field))


def state_of(connection: Any, declared: DeclaredIndex) -> IndexState | None:
    """Return how an index stands in the database, or None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [declared.name, _table(connection, declared)])
        row = cursor.fetchone()
    return None if row is None else IndexState(*row)


def build(connection: Any, declared: DeclaredIndex) -> str:
    """Build an index while the table stays in use, unless it is there and valid; clear away what a killed build left.

    Raises:
        SchemaError: The index is not valid in the end.
        QueryError: Postgres refused the statement.
    """
    state = state_of(connection, declared)
    if state is not None and state.is_valid:
        return "is there"
    with _online(connection) as editor:
        if state is not None:
            editor.remove_index(declared.model, declared.index, concurrently=True)
        editor.add_index(declared.model, declared.index, concurrently=True)
    state = state_of(connection, declared)
    if state is None or not state.is_valid:
        raise SchemaError(
            f"the index {declared.name} was removed or broken by others while it was built: build it again"
        )
    return "built"


def rebuild(connection: Any, declared: DeclaredIndex) -> str:
    """Build an index anew beside the old one, which serves searches until the new one is valid.

    Raises:
        IndexNotFoundError: It is not there.
        QueryError: Postgres refused the statement.
    """
    if state_of(connection, declared) is None:
        raise IndexNotFoundError(f"the index {declared.name} is not there: build it")
    with connection.cursor() as cursor:
        cursor.execute(_LEFTOVERS, [_table(connection, declared), f"{declared.name}_cc"])
        leftovers = [name for (name,) in cursor.fetchall()]
    with _online(connection) as editor:
        for name in leftovers:
            editor.execute(_statement("DROP INDEX CONCURRENTLY IF EXISTS {}", name))
        editor.execute(_statement("REINDEX INDEX CONCURRENTLY {}", declared.name))
    return "rebuilt"


def drop(connection: Any, declared: DeclaredIndex) -> str:
    """Drop an index while the table stays in use, where it is there.

    Raises:
        QueryError: Postgres refused the statement.
    """
    if state_of(connection, declared) is None:
        return "is not there"
    with _online(connection) as editor:
        editor.remove_index(declared.model, declared.index, concurrently=True)
    return "dropped"


def _table(connection: Any, declared: DeclaredIndex) -> str:
    return str(connection.ops.quote_name(declared.model._meta.db_table))


@contextmanager
def _online(connection: Any) -> Iterator[Any]:
    """Yield a schema editor outside of a transaction; errors within the block are pgvec's."""
    try:
        with connection.schema_editor(atomic=False) as editor:
            yield editor
    except Error as exc:
        error = translate_django(exc)
        if error is exc:
            raise
        raise error from exc


def _statement(text: LiteralString, name: str) -> str:
    return sql.SQL(text).format(sql.Identifier(name)).as_string(None)
