"""The steps of the demo. Each looks at what the database has, and does what is missing: so it resumes wherever it was killed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.schema import CreateSchema

from pgvec import Embedder, Repository
from pgvec.cli.demo.docstrings import Docstring
from pgvec.cli.demo.library import embedded_text, text_hash
from pgvec.cli.demo.model import SCHEMA, Base, Corpus, Entry
from pgvec.cli.progress import Advance
from pgvec.embedders import embed_batches
from pgvec.execution.sqlstate import translated

__all__ = [
    "Cut",
    "DemoEmbedder",
    "count_cut",
    "create_tables",
    "find_missing",
    "is_complete",
    "load_missing",
    "record_complete",
    "remove_others",
]

# What an interruption costs: some seconds of embedding.
_BATCH = 256


class DemoEmbedder(Embedder, Protocol):
    """An embedder that knows of how much of a text it takes note."""

    @property
    def max_length(self) -> int | None:
        """Tokens that it reads of a text."""

    def token_counts(self, inputs: Sequence[object]) -> NDArray[np.int64]:
        """Count the tokens of each text."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How many texts are longer than the model reads."""

    texts: int
    of: int
    max_length: int | None


def create_tables(engine: sa.Engine) -> None:
    """Create the schema and the tables of the demo where they are missing, without the vector index."""
    with translated(), engine.begin() as connection:
        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        Base.metadata.create_all(connection)


def is_complete(engine: sa.Engine, fingerprint: str, revision: str) -> bool:
    """Return whether this library was loaded to its end with this model, and nothing changed since."""
    expected = sa.select(Corpus.rows).where(Corpus.fingerprint == fingerprint, Corpus.model_revision == revision)
    present = sa.select(sa.func.count()).select_from(Entry)
    with translated(), engine.connect() as connection:
        return connection.scalar(expected) == connection.scalar(present)


def record_complete(engine: sa.Engine, fingerprint: str, revision: str) -> None:
    """Note that this library is loaded; what was noted of another one holds no more."""
    rows = sa.select(sa.func.count()).select_from(Entry).scalar_subquery()
    with translated(), engine.begin() as connection:
        connection.execute(sa.delete(Corpus))
        connection.execute(
            insert(Corpus).values(fingerprint=fingerprint, model_revision=revision, rows=rows).on_conflict_do_nothing()
        )


def find_missing(engine: sa.Engine, library: Sequence[Docstring], revision: str) -> list[Docstring]:
    """Return what is not in the table yet, or not with this text and this model."""
    stored = sa.select(Entry.qualified_name, Entry.text_hash).where(Entry.model_revision == revision)
    with translated(), engine.connect() as connection:
        hashes = {row.qualified_name: row.text_hash for row in connection.execute(stored)}
    return [docstring for docstring in library if hashes.get(docstring.qualified_name) != text_hash(docstring)]


def load_missing(engine: sa.Engine, embedder: DemoEmbedder, missing: Sequence[Docstring], advance: Advance) -> int:
    """Embed docstrings and load them, each batch in a transaction of its own, and return how many there were."""
    entries = Repository(engine, Entry)
    done = 0
    advance(done, len(missing))
    for batch, vectors in embed_batches(embedder, missing, key=embedded_text, batch_size=_BATCH):
        tokens = embedder.token_counts([embedded_text(docstring) for docstring in batch])
        rows = (_row(*parts, embedder.revision) for parts in zip(batch, tokens, vectors, strict=True))
        entries.bulk_load(rows, on_conflict="update")
        done += len(batch)
        advance(done, len(missing))
    return done


def remove_others(engine: sa.Engine, library: Sequence[Docstring]) -> int:
    """Delete what another Python left in the table, and return how many rows that were."""
    names = [docstring.qualified_name for docstring in library]
    return Repository(engine, Entry).delete({"qualified_name": {"$nin": names}})


def count_cut(engine: sa.Engine, embedder: DemoEmbedder) -> Cut:
    """Count the texts of which the model read only the beginning."""
    entries = Repository(engine, Entry)
    longest = embedder.max_length
    cut = 0 if longest is None else entries.count(Entry.tokens > longest)
    return Cut(cut, entries.count(), longest)


def _row(docstring: Docstring, tokens: np.int64, vector: NDArray[np.float32], revision: str) -> dict[str, Any]:
    return {
        "qualified_name": docstring.qualified_name,
        "kind": docstring.kind,
        "module": docstring.module,
        "signature": docstring.signature,
        "source_file": docstring.source_file,
        "line_count": docstring.line_count,
        "text": docstring.text,
        "tokens": int(tokens),
        "text_hash": text_hash(docstring),
        "model_revision": revision,
        "embedding": vector,
    }
