"""A folder becomes rows: what has changed is read, cut, embedded and stored, and nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from pgvec.embedders import embed_batches
from pgvec.errors import ConfigurationError, InvalidInputError
from pgvec.execution.session import SessionDriver
from pgvec.model import Embedder
from pgvec.rag import recipes
from pgvec.rag.arguments import check_corpus, check_values, read_tables
from pgvec.rag.chunking import ChunkerOption, Chunkers
from pgvec.rag.preparing import Prepared, Preparing, Same, ahead
from pgvec.rag.reading.files import MOST_BYTES, Folder, FoundFile, find_files
from pgvec.rag.recipes import Tables
from pgvec.rag.values import IngestProgress, IngestProgressCallback, IngestReport, RefusedFile
from pgvec.repository.checks import whole_number

__all__ = ["ingest"]


def ingest(
    engine: sa.Engine,
    folder: str | os.PathLike[str],
    chunk_model: type[Any],
    *,
    embedder: Embedder,
    corpus: str | None = None,
    column: Any | None = None,
    chunkers: ChunkerOption = None,
    document_values: Callable[[FoundFile], Mapping[str, object]] | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    encoding: str | None = None,
    most_bytes: int = MOST_BYTES,
    keep_missing: bool = False,
    readers: int = 4,
    batch_size: int = 256,
    progress: IngestProgressCallback | None = None,
) -> IngestReport:
    """Bring the documents and chunks of a folder to what its files are now.

    Each document is a transaction of its own: an ingestion that was killed goes on where it stood when it is run again. Only
    files that have changed are read as documents, and only texts that this model has not embedded before are given to it; no
    transaction is open meanwhile.

    Args:
        engine: An engine on the database (psycopg 3).
        folder: The folder.
        chunk_model: A mapped class with :class:`ChunkMixin` and an embedding.
        embedder: Embeds the chunks.
        corpus: Under which name the documents of this folder are kept; its path by default. What is there under the name and
            not found in the folder is deleted.
        column: The embedding column, where the chunks have several.
        chunkers: A chunker, or chunkers by suffix or format; by default Markdown is cut at headings and other text at paragraphs,
            as long as the model reads.
        document_values: Returns values of columns that you added to the documents, for each file.
        include: Patterns of paths within the folder, such as ``*.md``; all if empty.
        exclude: Patterns of what to leave out.
        encoding: Of texts that are not UTF-8 and do not say what they are.
        most_bytes: Larger files are refused.
        keep_missing: Whether to keep documents whose file is gone.
        readers: Threads that read and cut ahead.
        batch_size: Chunks that are embedded together.
        progress: Called after each file.

    Raises:
        InvalidInputError: The folder or an option cannot be used; or the folder is empty although the corpus is not.
        MappingError: The class is none of chunks.
        DimensionMismatchError: The embedder makes vectors of another length.
        EmbeddingError: The model failed. What was stored before stays.
        QueryError: Postgres refused a statement. What was stored before stays.
    """
    if not isinstance(engine, sa.Engine):
        raise ConfigurationError(f"ingest() commits each document, so it takes an Engine, not {type(engine).__name__}")
    whole_number("most_bytes", most_bytes, 1, 2**40)
    whole_number("readers", readers, 1, 64)
    whole_number("batch_size", batch_size, 1, 100_000)
    began = time.monotonic()
    tables = read_tables(chunk_model, column, embedder)
    name = check_corpus(str(Path(folder).resolve()) if corpus is None else corpus)
    preparing = Preparing(
        Chunkers(embedder, chunkers), embedder, encoding, most_bytes, check_values(tables, document_values)
    )
    found = find_files(folder, include=include, exclude=exclude)
    work = _Ingestion(
        # In autocommit mode a document would not be a transaction, and at higher levels two ingestions could not wait for each other.
        SessionDriver(engine.execution_options(isolation_level="READ COMMITTED")),
        tables=tables,
        corpus=name,
        embedder=embedder,
        preparing=preparing,
        found=found,
        batch_size=batch_size,
        progress=progress,
    )
    work.run(readers)
    if not keep_missing:
        work.delete_missing()
    return work.report(time.monotonic() - began)


class _Ingestion:
    """One run, and what it has done so far."""

    def __init__(
        self,
        driver: SessionDriver,
        *,
        tables: Tables,
        corpus: str,
        embedder: Embedder,
        preparing: Preparing,
        found: Folder,
        batch_size: int,
        progress: IngestProgressCallback | None,
    ) -> None:
        self._driver, self._tables, self._corpus = driver, tables, corpus
        self._embedder, self._preparing, self._found = embedder, preparing, found
        self._batch_size, self._progress = batch_size, progress
        self._known: dict[str, tuple[str, str]] = driver.run(recipes.known_documents(tables, corpus), tables.target)
        self._refused = list(found.refused)
        self._added = self._changed = self._unchanged = self._deleted = self._done = self._chunks = self._embedded = 0

    def run(self, readers: int) -> None:
        if self._known and not self._found.files:
            raise InvalidInputError(
                f"Nothing in the folder can be read, but {len(self._known):,} documents of the corpus {self._corpus!r} came from it: "
                "is it the right folder, is it mounted? (To delete them, delete the rows.)"
            )
        batch: list[Prepared] = []
        size = 0
        with ThreadPoolExecutor(readers, thread_name_prefix="pgvec-reader") as pool:
            for result in ahead(pool, self._prepare, self._found.files, 4 * readers):
                if not isinstance(result, Prepared):
                    self._leave(result)
                    continue
                batch.append(result)
                size += len(result.chunks)
                if size >= self._batch_size:
                    self._store(batch)
                    batch, size = [], 0
        self._store(batch)

    def delete_missing(self) -> None:
        """Delete the documents whose file is gone; what is merely unreadable now stays."""
        present = {file.path for file in self._found.files}
        refused = [refused.path for refused in self._refused]
        missing = [
            path
            for path in self._known
            if path not in present
            and not any(path == name or path.startswith(f"{name}/") or name == "." for name in refused)
        ]
        if missing:
            recipe = recipes.delete_documents(self._tables, self._corpus, missing)
            self._deleted = self._driver.run(recipe, self._tables.target)

    def report(self, seconds: float) -> IngestReport:
        return IngestReport(
            self._added,
            self._changed,
            self._unchanged,
            self._deleted,
            tuple(sorted(self._refused, key=lambda file: file.path)),
            self._found.ignored,
            self._chunks,
            self._embedded,
            seconds,
        )

    def _prepare(self, file: FoundFile) -> Prepared | Same | RefusedFile:
        return self._preparing.prepare(file, self._known.get(file.path))

    def _leave(self, result: Same | RefusedFile) -> None:
        if isinstance(result, Same):
            self._unchanged += 1
        else:
            self._refused.append(result)
        self._tell(result.path)

    def _store(self, batch: list[Prepared]) -> None:
        try:
            vectors = self._vectors(batch)
        except InvalidInputError as exc:
            if len(batch) == 1:
                self._leave(RefusedFile(batch[0].path, f"cannot be embedded: {exc}"))
                return
            # One text that the model refuses must not keep the others out.
            for prepared in batch:
                self._store([prepared])
            return
        for prepared in batch:
            self._store_document(prepared, vectors)

    def _store_document(self, prepared: Prepared, vectors: Mapping[str, Any]) -> None:
        document = prepared.document | {"corpus": self._corpus}
        recipe = recipes.store_document(self._tables, document, prepared.chunks, vectors, self._preparing.embedded_by)
        try:
            self._driver.run(recipe, self._tables.target)
        except InvalidInputError as exc:  # a vector that the column cannot take
            self._leave(RefusedFile(prepared.path, f"cannot be stored: {exc}"))
            return
        self._chunks += len(prepared.chunks)
        if prepared.path in self._known:
            self._changed += 1
        else:
            self._added += 1
        self._tell(prepared.path)

    def _vectors(self, batch: list[Prepared]) -> dict[str, Any]:
        """The vectors of all texts of a batch: those that are stored, and those that are made now."""
        texts = {chunk.text_hash: chunk.text for prepared in batch for chunk in prepared.chunks}
        if not texts:
            return {}
        recipe = recipes.find_vectors(self._tables, texts, self._preparing.embedded_by)
        vectors: dict[str, Any] = self._driver.run(recipe, self._tables.target)
        missing = [(text_hash, text) for text_hash, text in texts.items() if text_hash not in vectors]
        made: NDArray[np.float32]
        for part, made in embed_batches(self._embedder, missing, key=lambda item: item[1], batch_size=self._batch_size):
            vectors |= {text_hash: vector for (text_hash, _), vector in zip(part, made, strict=True)}
        self._embedded += len(missing)
        return vectors

    def _tell(self, path: str) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(IngestProgress(self._done, len(self._found.files), path, self._chunks))
