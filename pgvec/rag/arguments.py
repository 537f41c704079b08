"""Arguments of ingestion and retrieval, checked once for both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from pgvec.errors import DimensionMismatchError, InvalidInputError, InvalidOptionError, MappingError
from pgvec.model import Embedder
from pgvec.orm.reading import read_target
from pgvec.rag.reading.files import FoundFile
from pgvec.rag.recipes import Tables
from pgvec.rag.tables import ChunkMixin, DocumentMixin
from pgvec.repository.arguments import check_embedder

__all__ = ["check_corpus", "check_values", "read_tables"]

_OWN = frozenset(
    {
        "id",
        "corpus",
        "path",
        "title",
        "format",
        "text",
        "pages",
        "content_hash",
        "made_with",
        "modified_at",
        "ingested_at",
    }
)


def read_tables(chunk_model: type[Any], column: Any | None, embedder: Embedder) -> Tables:
    """Read the tables of documents and chunks from a class of chunks.

    Raises:
        MappingError: It is none.
        DimensionMismatchError: The embedder makes vectors of another length than the column takes.
    """
    if not (isinstance(chunk_model, type) and issubclass(chunk_model, ChunkMixin)):
        raise MappingError(
            f"{chunk_model!r:.80} is no class of chunks: derive it from pgvec.rag.ChunkMixin and your declarative base"
        )
    check_embedder(embedder)
    target = read_target(chunk_model, column=column)
    if target.column.dimensions not in (None, embedder.dimensions):
        raise DimensionMismatchError(
            f"{embedder.name} makes vectors of {embedder.dimensions} dimensions, and {target.name}.{target.column.name} takes "
            f"{target.column.dimensions}",
            expected=target.column.dimensions,
            actual=embedder.dimensions,
        )
    return Tables(target, _table(chunk_model), _table(chunk_model.document_model), target.column.name)


def check_corpus(corpus: object) -> str:
    """Return the name of a corpus.

    Raises:
        InvalidInputError: It is no text that Postgres can store.
    """
    if not isinstance(corpus, str) or not corpus or "\0" in corpus or not corpus.isprintable():
        raise InvalidInputError(f"corpus= is a name, not {corpus!r:.80}: give one of printable characters")
    return corpus


def check_values(
    tables: Tables, values: Callable[[FoundFile], Mapping[str, object]] | None
) -> Callable[[FoundFile], Mapping[str, object]]:
    """Return what gives the values of a user's own columns for a file, by names of columns."""
    if values is None:
        return lambda _file: {}
    model = tables.target.entity.document_model
    names = {name: column.name for name, column in _columns(model).items() if name not in _OWN}

    def checked(file: FoundFile) -> Mapping[str, object]:
        given = values(file)
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise InvalidOptionError(
                f"document_values returned {unknown[0]!r:.60} for {file.path}, which is no column that {model.__name__} adds to "
                f"DocumentMixin; those are: {', '.join(sorted(names)) or 'none'}"
            )
        return {names[name]: value for name, value in given.items()}

    return checked


def _columns(model: type[DocumentMixin]) -> dict[str, sa.Column[Any]]:
    mapper = sa.inspect(model)
    return {attribute.key: attribute.columns[0] for attribute in mapper.column_attrs}


def _table(model: type[Any]) -> sa.Table:
    table = sa.inspect(model).local_table
    assert isinstance(table, sa.Table)
    return table
