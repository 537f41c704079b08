"""Embeds the rows that have no embedding yet, in batches, while the table stays in use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pgvec.execution.sqlstate import translated
from pgvec.model import Embedder, InputRole

__all__ = ["Backfill", "backfill"]

_BATCH = 256


@dataclass(frozen=True, slots=True)
class Backfill:
    """What was done.

    Attributes:
        embedded: Rows that got an embedding.
        without_text: Rows without any text, which keep none.
    """

    embedded: int
    without_text: int


def backfill(
    engine: sa.Engine,
    table: sa.Table,
    column: str,
    sources: Sequence[str],
    embedder: Embedder,
    *,
    batch_size: int = _BATCH,
    progress: Callable[[int, int | None], None] | None = None,
) -> Backfill:
    """Embed the rows whose vector is NULL; killed at any point, the next call goes on where it was.

    Each batch is read, embedded while no transaction is open, and written in a transaction of its own. A row whose text changed
    meanwhile, or that somebody else embedded, is left alone, and the former is embedded by the next pass.

    Args:
        engine: An engine on the database.
        table: The table, with the column.
        column: The vector column.
        sources: Columns whose texts make up the text to embed, a line each; empty ones are left out.
        embedder: What embeds.
        batch_size: Rows that are read, embedded and written at once.
        progress: Called with the number of rows that are done, and of all.
    """
    work = _Work(table, column, tuple(sources))
    with translated(), engine.connect() as connection:
        total: int = connection.scalar(work.count_open()) or 0
        without_text: int = connection.scalar(work.count_without_text()) or 0
    embedded = 0
    while True:
        done = 0
        last: tuple[Any, ...] | None = None
        while rows := _read(engine, work, last, batch_size):
            last = tuple(rows[-1][: len(work.key)])
            vectors = embedder.embed([work.text(row) for row in rows], role=InputRole.DOCUMENT)
            done += _write(engine, work, rows, vectors)
            if progress is not None:
                progress(embedded + done, total)
        embedded += done
        if not done:
            return Backfill(embedded, without_text)


class _Work:
    """The statements of a backfill."""

    def __init__(self, table: sa.Table, column: str, sources: tuple[str, ...]) -> None:
        self.table = table
        self.key = list(table.primary_key.columns)
        self.vector = table.columns[column]
        self.sources = [table.columns[name] for name in sources]
        texts = [sa.func.trim(sa.func.coalesce(sa.cast(source, sa.Text), ""), " \t\r\n") for source in self.sources]
        self._has_text = sa.or_(*(text != "" for text in texts))

    def count_open(self) -> sa.Select[Any]:
        return sa.select(sa.func.count()).select_from(self.table).where(self.vector.is_(None), self._has_text)

    def count_without_text(self) -> sa.Select[Any]:
        return sa.select(sa.func.count()).select_from(self.table).where(self.vector.is_(None), ~self._has_text)

    def batch(self, last: tuple[Any, ...] | None, size: int) -> sa.Select[Any]:
        statement = sa.select(*self.key, *self.sources).where(self.vector.is_(None), self._has_text)
        if last is not None:
            statement = statement.where(sa.tuple_(*self.key) > last)
        return statement.order_by(*self.key).limit(size)

    def update(self) -> sa.Update:
        same = [
            source.is_not_distinct_from(sa.bindparam(f"source_{at}", type_=source.type))
            for at, source in enumerate(self.sources)
        ]
        keys = [column == sa.bindparam(f"key_{at}", type_=column.type) for at, column in enumerate(self.key)]
        return (
            sa.update(self.table)
            .where(*keys, self.vector.is_(None), *same)
            .values({self.vector: sa.bindparam("vector", type_=self.vector.type)})
        )

    def text(self, row: Any) -> str:
        values = row[len(self.key) :]
        return "\n".join(str(value) for value in values if value is not None and str(value).strip())

    def parameters(self, row: Any, vector: Any) -> dict[str, Any]:
        keys = {f"key_{at}": value for at, value in enumerate(row[: len(self.key)])}
        return keys | {f"source_{at}": value for at, value in enumerate(row[len(self.key) :])} | {"vector": vector}


def _read(engine: sa.Engine, work: _Work, last: tuple[Any, ...] | None, size: int) -> Sequence[Any]:
    with translated(), engine.connect() as connection:
        return connection.execute(work.batch(last, size)).all()


def _write(engine: sa.Engine, work: _Work, rows: Sequence[Any], vectors: Any) -> int:
    with translated(), engine.begin() as connection:
        written = connection.execute(
            work.update(), [work.parameters(row, vector) for row, vector in zip(rows, vectors, strict=True)]
        )
        return written.rowcount
