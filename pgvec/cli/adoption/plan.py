"""What adopting a table comes to, decided by what the table has already."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pgvec.errors import AmbiguousColumnError, InvalidOptionError, MappingError, NotAnEmbeddingColumnError
from pgvec.execution.inspection import ColumnState, inspect_database
from pgvec.execution.reflection import reflect_table
from pgvec.model import Distance, VectorType
from pgvec.model.index_build import IndexState
from pgvec.model.layout import LAYOUTS, Layout
from pgvec.orm import Embedding, HnswIndex

__all__ = ["Adoption", "Wishes", "plan_adoption"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for.

    Attributes:
        table: The table, with its schema before a dot where ``schema`` is None.
        schema: Its Postgres schema.
        text: Columns that make up the text to embed.
        dimensions: Dimensions of the embeddings.
        column: The vector column.
        distance: What searches compare by.
        storage: ``plain``, or None.
        quantization: What the index holds instead, or None.
    """

    table: str
    schema: str | None
    text: tuple[str, ...] | None
    dimensions: int | None
    column: str | None
    distance: str | None
    storage: str | None
    quantization: str | None


@dataclass(frozen=True, slots=True)
class Adoption:
    """What is to be done.

    Attributes:
        table: The table as it is.
        schema: Its schema.
        column: The vector column, old or new.
        embedding: The type that the model declares.
        adds_column: Whether the column is new.
        fixes_dimensions: Whether the column exists, and gets the number of dimensions that its type lacks.
        index: The index to build, or None where one that serves the distance is there.
        embeds: Whether rows without a vector are to be embedded: only where it was asked for, because the vectors that are there
            may come from another model.
        made_by: The library that made the table, or None.
    """

    table: sa.Table
    schema: str
    column: str
    embedding: Embedding
    adds_column: bool
    fixes_dimensions: bool
    index: sa.Index | None
    embeds: bool
    made_by: str | None

    @property
    def name(self) -> str:
        """The table with its schema, for people."""
        return f"{self.schema}.{self.table.name}"


def plan_adoption(engine: sa.Engine, wishes: Wishes) -> Adoption:
    """Look at the table and decide; nothing is written.

    Raises:
        AmbiguousColumnError: The table has several vector columns, and none is named.
        InvalidOptionError: The wishes do not fit the table.
        MappingError: The table has no primary key.
        MappingMismatchError: There is no such table.
    """
    table, schema = _find_table(engine, wishes)
    if not table.primary_key.columns:
        raise MappingError(f"{schema}.{table.name} has no primary key: pgvec tells rows apart by it; add one first")
    found = inspect_database(engine)
    existing = _existing(found.columns, table, schema, wishes)
    visible = found.extension_schema is None or _is_visible(engine, found.extension_schema)
    extension_schema = None if visible else found.extension_schema
    layout = next((one for one in LAYOUTS if existing is not None and existing.made_by == one.library), None)
    column = existing.column.name if existing is not None else wishes.column or "embedding"
    if existing is None and column in table.columns:
        raise NotAnEmbeddingColumnError(f"{schema}.{table.name}.{column} exists and holds no vectors: give --column")
    text = _text(table, wishes, layout, adds_column=existing is None)
    indexes = [state for state in found.indexes if (state.index.schema, state.index.table) == (schema, table.name)]
    distance = _distance(wishes, indexes, column)
    embedding = _embedding(wishes, existing, distance, text, extension_schema)
    return Adoption(
        table=table,
        schema=schema,
        column=column,
        embedding=embedding,
        adds_column=existing is None,
        fixes_dimensions=existing is not None and existing.column.dimensions is None,
        index=_index((schema, str(table.name)), column, embedding, wishes.quantization, indexes),
        embeds=wishes.text is not None,
        made_by=None if layout is None else layout.library,
    )


def _find_table(engine: sa.Engine, wishes: Wishes) -> tuple[sa.Table, str]:
    name, schema = wishes.table, wishes.schema
    if schema is None and "." in name:
        schema, _, name = name.partition(".")
    table = reflect_table(engine, name, schema=schema)
    with engine.connect() as connection:
        default = sa.inspect(connection).default_schema_name
    return table, schema or default or "public"


def _existing(columns: tuple[ColumnState, ...], table: sa.Table, schema: str, wishes: Wishes) -> ColumnState | None:
    found = [state for state in columns if (state.column.schema, state.column.table) == (schema, table.name)]
    if wishes.column is not None:
        return next((state for state in found if state.column.name == wishes.column), None)
    if len(found) > 1:
        names = ", ".join(state.column.name for state in found)
        raise AmbiguousColumnError(f"{schema}.{table.name} has several vector columns ({names}): give --column")
    return found[0] if found else None


def _is_visible(engine: sa.Engine, schema: str) -> bool:
    with engine.connect() as connection:
        path = connection.scalar(sa.select(sa.func.pg_catalog.current_schemas(True)))
    return schema in (path or ())


def _text(table: sa.Table, wishes: Wishes, layout: Layout | None, *, adds_column: bool) -> tuple[str, ...]:
    if wishes.text is None:
        if adds_column:
            raise InvalidOptionError(f"{table.name} has no vector column: give the columns to embed with --text")
        return (layout.text,) if layout is not None and layout.text is not None else ()
    missing = [name for name in wishes.text if name not in table.columns]
    if missing:
        raise InvalidOptionError(
            f"--text names {', '.join(missing)}, and {table.name} has only {', '.join(table.columns.keys())}"
        )
    return wishes.text


def _distance(wishes: Wishes, indexes: list[IndexState], column: str) -> str | None:
    """Return the distance that was asked for, else the one that an index on the column serves."""
    if wishes.distance is not None:
        return wishes.distance
    suffixes = {distance.operator_class_suffix: distance for distance in Distance}
    for state in indexes:
        suffix = re.sub(r".*?(vector|halfvec|sparsevec|bit)_", "", state.index.operator_class)
        if state.index.column == column and suffix in suffixes:
            return suffixes[suffix].value
    return None


def _embedding(
    wishes: Wishes,
    existing: ColumnState | None,
    distance: str | None,
    text: tuple[str, ...],
    extension_schema: str | None,
) -> Embedding:
    dimensions, kind, storage = wishes.dimensions, VectorType.VECTOR, wishes.storage
    if existing is not None:
        kind = existing.column.type
        storage = storage or ("plain" if existing.column.storage == "plain" else None)
        dimensions = _dimensions(wishes, existing)
    if dimensions is None:
        raise InvalidOptionError("give the number of dimensions of the model's vectors with --dimensions")
    return Embedding(dimensions, distance, kind, storage=storage, source=text, extension_schema=extension_schema)


def _dimensions(wishes: Wishes, existing: ColumnState) -> int | None:
    name = f"{existing.column.table}.{existing.column.name}"
    stated, sampled = existing.column.dimensions, existing.sampled_dimensions
    if stated is None and len(sampled) > 1:
        raise InvalidOptionError(
            f"{name} holds vectors of {', '.join(map(str, sampled))} dimensions, which no search compares: keep those of one "
            "model, and remove the others"
        )
    known = stated if stated is not None else sampled[0] if sampled else None
    if wishes.dimensions is not None and known not in (None, wishes.dimensions):
        raise InvalidOptionError(f"{name} holds vectors of {known} dimensions, not of {wishes.dimensions}")
    return known or wishes.dimensions


def _index(
    place: tuple[str, str], column: str, embedding: Embedding, quantization: str | None, indexes: list[IndexState]
) -> sa.Index | None:
    """Return the index to build, None where a valid one of its kind is there."""
    schema, table = place
    declared = HnswIndex(column, quantization=quantization, postgresql_concurrently=True)
    sa.Table(table, sa.MetaData(), sa.Column(column, embedding), declared, schema=schema)
    wanted: Any = declared.dialect_options["postgresql"]["ops"][column]
    for state in indexes:
        found = state.index
        on_column = found.column == column or (quantization is not None and found.expression is not None)
        if on_column and found.valid and found.predicate is None and found.operator_class == wanted:
            return None
    return declared
