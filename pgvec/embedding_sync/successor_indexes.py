"""The vector indexes that a column needs to take the place of another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from pgvec.model import Distance, IndexMethod, VectorColumn, VectorIndex, VectorType
from pgvec.model.catalog import CatalogColumn, CatalogIndex
from pgvec.orm import Embedding, HnswIndex, IvfflatIndex
from pgvec.orm.index_definition import IndexDefinition
from pgvec.orm.index_text import read_catalog_text

__all__ = ["Successor", "successor_indexes"]

_LONGEST_NAME = 63
_METHODS: dict[IndexMethod, Any] = {IndexMethod.HNSW: HnswIndex, IndexMethod.IVFFLAT: IvfflatIndex}


@dataclass(frozen=True, slots=True)
class Successor:
    """What becomes of an index.

    Attributes:
        old: The index of the old column.
        definition: The index of the new one, or None where pgvec does not understand what the old one holds.
        distance: The distance that it serves.
    """

    old: CatalogIndex
    definition: IndexDefinition | None
    distance: Distance = Distance.COSINE


def successor_indexes(indexes: Iterable[CatalogIndex], old: CatalogColumn, new: CatalogColumn) -> list[Successor]:
    """Return what the indexes of a column become for the column that takes its place; INVALID ones are left out."""
    described = VectorColumn(old.name, old.name, old.type, old.dimensions)
    found = []
    for index in indexes:
        text = index.column or index.expression or ""
        read, is_its_own = read_catalog_text(
            index.name, index.method.value, index.operator_class, text, described, partial=index.predicate is not None
        )
        if not is_its_own or not index.valid:
            continue
        if read is None or ((read.dimensions or 0) >= (new.dimensions or 0) > 0 and read.dimensions is not None):
            found.append(Successor(index, None))
        else:
            found.append(_successor(index, read, old, new))
    return found


def _successor(index: CatalogIndex, read: VectorIndex, old: CatalogColumn, new: CatalogColumn) -> Successor:
    distance = Distance.COSINE if read.quantization is VectorType.BIT else read.distance
    quantization = None if read.quantization is new.type else read.quantization
    assert new.dimensions is not None, "a re-embedding makes columns with dimensions"
    options: dict[str, Any] = {**index.options, "quantization": quantization, "dimensions": read.dimensions}
    column = sa.Column(new.name, Embedding(new.dimensions, distance, new.type, extension_schema=new.type_schema))
    made = _METHODS[index.method](new.name, name=_name(index.name, old.name, new.name), **options)
    sa.Table(new.table, sa.MetaData(), column, made, schema=new.schema)
    definition = IndexDefinition.from_index(made, str(made.name))
    kept = replace(definition, where=index.predicate, tablespace=index.tablespace, options=dict(index.options))
    return Successor(index, kept, distance)


def _name(index: str, old: str, new: str) -> str:
    """Name an index as a model would that names the new column; Postgres takes 63 bytes."""
    named = re.sub(rf"(?<![a-zA-Z0-9]){re.escape(old)}(?![a-zA-Z0-9])", new, index, count=1)
    name = named if named != index else f"{index}_{new}"
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name.encode()[: _LONGEST_NAME - 9].decode(errors='ignore')}_{digest}"
