"""Finds what is wrong with the vectors of a database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from pgvec.errors import ConfigurationError, InvalidOptionError
from pgvec.execution.facts import require_psycopg
from pgvec.execution.pooling import probe_pooling
from pgvec.execution.session import SessionDriver
from pgvec.model import Distance
from pgvec.model.doctor import Diagnosis, UsedDistance
from pgvec.operations.doctor import PLACE, check_ids, examine
from pgvec.orm.reading import read_columns, read_target
from pgvec.orm.rules import choose
from pgvec.statements.plan import target_table

__all__ = ["declared_distances", "diagnose"]


def diagnose(
    engine: sa.Engine,
    *,
    table: str | None = None,
    schema: str | None = None,
    models: Iterable[type[Any] | sa.Table] = (),
    distance: Distance | str | None = None,
    ignore: Collection[str] = (),
) -> Diagnosis:
    """Look at a database, or at one of its tables, and tell what is wrong. Nothing is written: the transaction is read-only.

    Args:
        engine: An engine on PostgreSQL through psycopg 3; any role will do, and what it may not see is left out and told.
        table: Name of a table; None takes every table with vectors.
        schema: Its Postgres schema; None takes what the ``search_path`` shows, or without ``table`` all.
        models: Mapped classes or tables, whose declared distances are those that their columns are searched by.
        distance: The distance that the vector columns of ``table`` are searched by.
        ignore: Ids of checks to leave out, keys of :data:`pgvec.model.doctor.CHECKS`.

    Raises:
        ConfigurationError: It is no such engine.
        InvalidOptionError: There is no such check or distance, or ``distance`` is given without ``table``.
        MappingMismatchError: There is no such table with vectors.
    """
    if not isinstance(engine, sa.Engine):
        raise ConfigurationError(f"diagnose() works on an Engine of SQLAlchemy, not on {type(engine).__name__}")
    require_psycopg(engine.dialect)
    ignored = check_ids(ignore, "ignore=")
    used = [use for model in models for use in declared_distances(model)]
    if distance is not None:
        if table is None:
            raise InvalidOptionError("a distance is that of one table: name it with table=")
        used.append(
            UsedDistance(schema, table, None, choose(Distance, distance, "distance"), "the distance that was named")
        )
    read_only = engine.execution_options(postgresql_readonly=True)
    recipe = examine(table=table, schema=schema, distances=used, pooling=probe_pooling(read_only), ignore=ignored)
    return SessionDriver(read_only).run(recipe, PLACE)


def declared_distances(model: type[Any] | sa.Table) -> Iterator[UsedDistance]:
    """Yield the distances that a model or table declares for its vector columns."""
    for column in read_columns(model):
        if column.distance is None:
            continue
        target = read_target(model, column=column.attribute)
        table = target_table(target)
        source = f"declared by {target.name}.{column.attribute}"
        yield UsedDistance(table.schema, table.name, column.name, column.distance, source)
