"""Reads a table from the database, for callers that have no mapping of it."""

from __future__ import annotations

import difflib
import warnings

import pgvector.sqlalchemy  # noqa: F401  (makes SQLAlchemy recognise pgvector's types)
import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError, SAWarning

from pgvec.errors import MappingMismatchError
from pgvec.execution.search_path import show_extension
from pgvec.execution.sqlstate import translated

__all__ = ["reflect_table"]


def reflect_table(engine: sa.Engine, name: str, *, schema: str | None = None) -> sa.Table:
    """Return a table as the database has it, with its vector columns and their indexes; related tables are not read.

    Args:
        engine: An engine on the database.
        name: Name of the table, as Postgres keeps it, without quotes.
        schema: Its Postgres schema; None takes the one that the ``search_path`` gives.

    Raises:
        MappingMismatchError: There is no such table.
    """
    with translated(), engine.begin() as connection, warnings.catch_warnings():
        # Columns of types that SQLAlchemy does not know are of no use to pgvec, and stay out of the way.
        warnings.simplefilter("ignore", SAWarning)
        # Types and operator classes are recognised by their bare names, which Postgres gives for what the path shows.
        show_extension(connection)
        try:
            return sa.Table(name, sa.MetaData(), schema=schema, autoload_with=connection, resolve_fks=False)
        except NoSuchTableError as exc:
            raise MappingMismatchError(_missing(connection, name, schema)) from exc


def _missing(connection: sa.Connection, name: str, schema: str | None) -> str:
    inspector = sa.inspect(connection)
    place = schema or inspector.default_schema_name
    names = inspector.get_table_names(schema)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        hint = f"did you mean {close[0]!r}?"
    elif "." in name:
        hint = "give its schema apart from its name"
    else:
        hint = "is it in another schema or database?" if names else "this schema has no tables at all"
    return f"there is no table {name!r} in the schema {place!r}: {hint}"
