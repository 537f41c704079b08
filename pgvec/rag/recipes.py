"""What an ingestion asks of the database, each function one transaction."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pgvec.model import Target
from pgvec.statements.requests import Execute, Request

__all__ = ["NewChunk", "Tables", "delete_documents", "find_vectors", "known_documents", "store_document"]


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of an ingestion.

    Attributes:
        target: The chunks and their embedding.
        chunk: Table of the chunks.
        document: Table of the documents.
        vector: Name of the column of the embedding.
    """

    target: Target
    chunk: sa.Table
    document: sa.Table
    vector: str


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk to store."""

    position: int
    start: int
    end: int
    text: str
    text_hash: str
    gap: str


def known_documents(tables: Tables, corpus: str) -> Generator[Request, Any, dict[str, tuple[str, str]]]:
    """Return the hash of the content of each document of a corpus, and how it was made, by path."""
    columns = tables.document.c
    statement = sa.select(columns.path, columns.content_hash, columns.made_with).where(columns.corpus == corpus)
    found = yield Execute(statement, tables.target)
    return {path: (content, made) for path, content, made in found.rows}


def find_vectors(tables: Tables, hashes: Collection[str], embedded_by: str) -> Generator[Request, Any, dict[str, Any]]:
    """Return the embeddings of texts that the model has embedded before, by hash."""
    columns = tables.chunk.c
    wanted = sa.any_(sa.bindparam("hashes", type_=sa.ARRAY(sa.Text)))
    one_of_each = (
        sa.select(sa.func.min(columns.id))
        .where(columns.text_hash == wanted, columns.embedded_by == embedded_by, columns[tables.vector].is_not(None))
        .group_by(columns.text_hash)
    )
    statement = sa.select(columns.text_hash, columns[tables.vector]).where(columns.id.in_(one_of_each))
    found = yield Execute(statement, tables.target, {"hashes": sorted(hashes)})
    return {text_hash: vector for text_hash, vector in found.rows}  # noqa: C416 - rows are no pairs to a type checker


def store_document(
    tables: Tables,
    document: Mapping[str, Any],
    chunks: Sequence[NewChunk],
    vectors: Mapping[str, Any],
    embedded_by: str,
) -> Generator[Request, Any, None]:
    """Write a document and its chunks in place of what is there under its path.

    Rows of chunks that are what they were stay. A second ingestion of the same file waits for the row of the document.
    """
    columns = tables.document.c
    upsert = insert(tables.document).values({columns[name]: value for name, value in document.items()})
    changed = {name: upsert.excluded[name] for name in document} | {"ingested_at": sa.func.now()}
    stored = yield Execute(
        upsert.on_conflict_do_update(index_elements=[columns.corpus, columns.path], set_=changed).returning(columns.id),
        tables.target,
        scalars=True,
    )
    document_id = stored.rows[0]
    kept = yield from _clear(tables, document_id, chunks, embedded_by)
    rows = [
        {
            "document_id": document_id,
            "position": chunk.position,
            "start_offset": chunk.start,
            "end_offset": chunk.end,
            "text": chunk.text,
            "text_hash": chunk.text_hash,
            "gap": chunk.gap,
            "embedded_by": embedded_by,
            tables.vector: vectors[chunk.text_hash],
        }
        for chunk in chunks
        if chunk.position not in kept
    ]
    if rows:
        yield Execute(sa.insert(tables.chunk), tables.target, rows)


def delete_documents(tables: Tables, corpus: str, paths: Collection[str]) -> Generator[Request, Any, int]:
    """Delete documents with their chunks, and return how many."""
    columns = tables.document.c
    wanted = sa.any_(sa.bindparam("paths", type_=sa.ARRAY(sa.Text)))
    statement = sa.delete(tables.document).where(columns.corpus == corpus, columns.path == wanted)
    deleted = yield Execute(statement, tables.target, {"paths": sorted(paths)})
    return int(deleted.count)


def _clear(
    tables: Tables, document_id: int, chunks: Sequence[NewChunk], embedded_by: str
) -> Generator[Request, Any, set[int]]:
    """Delete the rows of a document that are not what they should be, and return the positions of the others."""
    columns = tables.chunk.c
    own = columns.document_id == document_id
    present = yield Execute(
        sa.select(
            columns.position,
            columns.start_offset,
            columns.end_offset,
            columns.text_hash,
            columns.gap,
            columns.embedded_by,
            columns[tables.vector].is_not(None),
        ).where(own),
        tables.target,
    )
    wanted = {
        (chunk.position, chunk.start, chunk.end, chunk.text_hash, chunk.gap, embedded_by, True) for chunk in chunks
    }
    kept = {row[0] for row in present.rows if tuple(row) in wanted}
    if len(kept) < len(present.rows):
        stays = sa.all_(sa.bindparam("kept", type_=sa.ARRAY(sa.Integer)))
        yield Execute(
            sa.delete(tables.chunk).where(own, columns.position != stays), tables.target, {"kept": sorted(kept)}
        )
    return kept
