"""Rows of a file to which an embedding is added on their way into the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pgvec.embedders import SentenceTransformerEmbedder, embed_batches
from pgvec.errors import InvalidOptionError, InvalidRowError
from pgvec.model import Embedder
from pgvec.operations.row_sources import FileRows
from pgvec.orm.values import to_text
from pgvec.statements.load_requests import RowForm

__all__ = ["EmbeddedRows"]

_BATCH = 256


class EmbeddedRows(FileRows):
    """Reads a file and embeds its rows, a batch at a time.

    Args:
        rows: The file.
        embedder: What embeds.
        sources: Fields whose texts make up the text to embed, a line each; empty ones are left out.
        into: Field that takes the embedding.

    Attributes:
        embedded: How many rows were embedded.
        cut: Of how many the model read only the beginning.
    """

    def __init__(self, rows: FileRows, embedder: Embedder, sources: Sequence[str], into: str) -> None:
        self.form = rows.form
        self.embedded = 0
        self.cut = 0
        self._rows = rows
        self._embedder = embedder
        self._sources = tuple(sources)
        self._into = into

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for batch, vectors in embed_batches(self._embedder, self._with_texts(), key=_text_of, batch_size=_BATCH):
            self.embedded += len(batch)
            if isinstance(self._embedder, SentenceTransformerEmbedder):
                self.cut += self._embedder.count_truncated([text for _, text in batch])
            for (row, _), vector in zip(batch, vectors, strict=True):
                yield {**row, self._into: to_text(vector) if self.form is RowForm.TEXT else vector}

    def estimate_total(self, rows: int) -> int | None:
        """Return how many rows there are in all, judging by the part of the file that was read for ``rows`` of them."""
        return self._rows.estimate_total(max(rows, self.embedded))

    def _with_texts(self) -> Iterator[tuple[Mapping[str, Any], str]]:
        for position, row in enumerate(self._rows, start=1):
            yield row, self._text(row, position)

    def _text(self, row: Mapping[str, Any], position: int) -> str:
        missing = next((name for name in self._sources if name not in row), None)
        if missing is not None:
            raise InvalidOptionError(
                f"--embed names {missing!r}, which row {position} does not have: it has {', '.join(row)}"
            )
        values = [row[name] for name in self._sources]
        text = "\n".join(str(value) for value in values if value is not None and str(value).strip())
        if not text:
            raise InvalidRowError(
                f"Row {position} has no text in {', '.join(self._sources)}, so there is nothing to embed",
                position=position,
            )
        return text


def _text_of(pair: tuple[Mapping[str, Any], str]) -> str:
    return pair[1]
