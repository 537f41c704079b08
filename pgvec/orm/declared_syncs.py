"""Read which embeddings are declared to follow their text: ``Embedding(384, source=("title", "body"), embedder="minilm")``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper

from pgvec.errors import MappingError
from pgvec.model import EmbeddingSync
from pgvec.orm.column_types import find_embedding

__all__ = ["declared_syncs"]


def declared_syncs(declared: type[object] | sa.Table | sa.MetaData) -> tuple[EmbeddingSync, ...]:
    """Return the syncs that a mapped class, a table or all tables of a metadata declare.

    A column counts where it names both ``source`` and ``embedder``. A class gives its sources as attributes; where only the
    table is known, they are names of columns.

    Raises:
        MappingError: A source is no column of the same table, or what was given declares nothing.
    """
    if isinstance(declared, sa.MetaData):
        return tuple(sync for table in declared.sorted_tables for sync in _of_table(table))
    if isinstance(declared, sa.Table):
        return tuple(_of_table(declared))
    mapper = sa.inspect(declared, raiseerr=False)
    if not isinstance(mapper, Mapper):
        raise MappingError(f"{declared!r} is neither a mapped class nor a Table nor a MetaData")
    return tuple(_of_mapper(mapper))


def _of_table(table: sa.Table) -> Iterator[EmbeddingSync]:
    for column in table.c:
        embedding = find_embedding(column.type)
        if embedding is not None and embedding.source and embedding.embedder:
            yield _sync(table, column, [_named(table, name) for name in embedding.source], embedding.embedder)


def _of_mapper(mapper: Mapper[Any]) -> Iterator[EmbeddingSync]:
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        embedding = find_embedding(column.type)
        if embedding is None or not embedding.source or not embedding.embedder or not isinstance(column, sa.Column):
            continue
        sources = []
        for name in embedding.source:
            found = mapper.column_attrs.get(name)
            if found is None or found.columns[0].table is not column.table:
                raise MappingError(
                    f"{mapper.class_.__name__}.{attribute.key} follows {name!r}, which is no column of the table "
                    f"{column.table}: triggers see the columns of one table"
                )
            sources.append(found.columns[0])
        yield _sync(column.table, column, sources, embedding.embedder)


def _named(table: sa.Table, name: str) -> sa.Column[Any]:
    for column in table.c:
        if name in (column.key, column.name):
            return column
    raise MappingError(
        f"The table {table.fullname} has no column {name!r}, which source= names: where an attribute has another name than "
        "its column, declare the sync from the class"
    )


def _sync(table: Any, column: sa.Column[Any], sources: list[Any], embedder: str) -> EmbeddingSync:
    return EmbeddingSync(
        table=table.name,
        schema=table.schema,
        source=tuple(source.name for source in sources),
        column=column.name,
        embedder=embedder,
    )
