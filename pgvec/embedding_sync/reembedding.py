"""Changes the model of a vector column while its table stays in use."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from pgvec.embedders import PacedEmbedder
from pgvec.embedding_sync.options import WorkerOptions
from pgvec.embedding_sync.successor_indexes import Successor, successor_indexes
from pgvec.embedding_sync.worker import Worker
from pgvec.errors import QueryTimeoutError, RecordNotFoundError, SchemaError, SyncError, SyncTimeoutError
from pgvec.execution.index_build import build_index
from pgvec.execution.index_catalog import indexes_of
from pgvec.execution.index_states import table_columns
from pgvec.execution.reflection import reflect_table
from pgvec.execution.sqlstate import translated
from pgvec.execution.survey import SECONDS_KNOWN
from pgvec.model import Embedder
from pgvec.model.catalog import CatalogColumn
from pgvec.model.index_build import BuildProgress, BuildSettings
from pgvec.model.reembed import ReembedCallback, ReembedOptions, ReembedProgress, ReembedStatus
from pgvec.repository import Repository
from pgvec.statements import reembed as statements

__all__ = ["Reembedding"]

_DEFAULTS = ReembedOptions()
_SECONDS_BETWEEN_LOOKS = 0.2
_LONGEST_NAME = 63


class Reembedding:
    """Replaces the vectors of a column by those of another model, in a column of its own, with no downtime.

    Every step is written down in the database: a call after a crash goes on where the last one was. Both columns follow the
    text from the first step until the clean-up, so searches may go over one by one, and back.

    Args:
        engine: An engine on the database, with a pool; behind a pooler, one that leads to the server itself.
        table: Name of the table, as Postgres keeps it.
        column: The vector column.
        schema: Schema of the table; None takes the one that the ``search_path`` gives.
    """

    def __init__(self, engine: sa.Engine, table: str, column: str, *, schema: str | None = None) -> None:
        self._engine = engine
        self._table = table
        self._column = column
        self._schema = schema
        relation = engine.dialect.identifier_preparer.format_table(sa.table(table, schema=schema))
        self._where = {"relation": relation, "old": column}

    def run(
        self,
        to: str,
        embedder: Embedder,
        *,
        new_column: str | None = None,
        column_type: str | None = None,
        source: Sequence[str] | None = None,
        template: str | None = None,
        options: ReembedOptions = _DEFAULTS,
        progress: ReembedCallback | None = None,
    ) -> ReembedStatus:
        """Add the column, fill it, index it, check it, and make it the current one.

        Args:
            to: Name of the new embedder, as workers know it.
            embedder: The embedder.
            new_column: Name of the new column; None makes one of the old name and ``to``.
            column_type: ``vector`` or ``halfvec``; None takes the type of the old column.
            source: Columns that the text is made from, where no sync of the old column says so.
            template: As for :class:`EmbeddingSync`, with ``source``.
            options: How to go about it.
            progress: Told of every step, several times a second.

        Raises:
            SyncError: It cannot begin, another model is being put in, or rows were given up.
            SyncTimeoutError: Nothing came forward for ``patience_seconds``.
            SchemaError: An index cannot be built, or finds too little.
        """
        tell = progress or _ignore
        status = self.status()
        if status is not None and status.stage in ("switched", "finished") and status.embedder == to:
            return status
        chosen = new_column or (self._default_name(to) if status is None else status.new_column)
        tell(ReembedProgress("adding the column"))
        given = {
            "new": chosen,
            "type": column_type,
            "dimensions": embedder.dimensions,
            "embedder": to,
            "model": embedder.name,
            "revision": embedder.revision,
            "source": None if source is None else list(source),
            "template": template,
        }
        self._locking(statements.BEGIN, given, options)
        tell(ReembedProgress("noting the rows"))
        self._execute(statements.ENQUEUE)
        paced = embedder if options.texts_per_second is None else PacedEmbedder(embedder, options.texts_per_second)
        with self._working(to, paced, options):
            self._fill(options, tell)
            skipped, built = self._index(chosen, tell)
            recall = self._check(chosen, built, options, tell)
        self._execute(statements.WHOLE)
        tell(ReembedProgress("ready"))
        if options.switch:
            self.switch()
            tell(ReembedProgress("switched"))
        done = self.status()
        assert done is not None, "it was just written"
        return replace(done, recall=recall, skipped=skipped)

    def status(self) -> ReembedStatus | None:
        """Return where it stands, or None where nothing was begun."""
        found = self._rows(statements.READ)
        return ReembedStatus(*found[0]) if found else None

    def switch(self) -> None:
        """Make the new column the current one.

        Raises:
            SyncError: It is not whole.
        """
        self._execute(statements.SWITCH)

    def rollback(self) -> None:
        """Make the old column the current one again.

        Raises:
            SyncError: It was not switched, or the old column is gone.
        """
        self._execute(statements.ROLLBACK)

    def clean_up(self, *, patience_seconds: float = SECONDS_KNOWN, options: ReembedOptions = _DEFAULTS) -> None:
        """Drop the old column, with its sync and its indexes.

        Args:
            patience_seconds: How long ago the switch has to be: for so long a process may search by what it knew before.
            options: How long to wait for the table.

        Raises:
            SyncError: The new column is not the current one, or has not been for long enough.
        """
        self._locking(statements.CLEAN_UP, {"patience": patience_seconds}, options)

    def abandon(self, *, options: ReembedOptions = _DEFAULTS) -> None:
        """Drop the new column, with its sync and its indexes.

        Raises:
            SyncError: It is the current one.
        """
        self._locking(statements.ABANDON, {}, options)

    def _default_name(self, to: str) -> str:
        named = re.sub(r"[^a-z0-9]+", "_", f"{self._column}_{to}".lower())
        return named.encode()[:_LONGEST_NAME].decode(errors="ignore")

    def _execute(self, statement: sa.TextClause) -> None:
        with translated(), self._engine.begin() as connection:
            connection.execute(statement, self._where)

    def _rows(self, statement: sa.TextClause) -> Sequence[Any]:
        with translated(), self._engine.begin() as connection:
            return connection.execute(statement, self._where).all()

    def _locking(self, statement: sa.TextClause, given: dict[str, Any], options: ReembedOptions) -> None:
        """Run what locks the table for a moment, and do not let others queue up behind while it waits for long ones."""
        deadline = time.monotonic() + options.patience_seconds
        while True:
            try:
                with translated(), self._engine.begin() as connection:
                    connection.execute(
                        statements.LOCK_TIMEOUT, {"milliseconds": str(max(1, round(1000 * options.lock_seconds)))}
                    )
                    connection.execute(statement, self._where | given)
            except QueryTimeoutError as error:
                if error.sqlstate != "55P03" or time.monotonic() > deadline:
                    raise
                time.sleep(options.lock_seconds * random.uniform(1.0, 2.0))  # noqa: S311
            else:
                return

    @contextmanager
    def _working(self, to: str, embedder: Embedder, options: ReembedOptions) -> Iterator[None]:
        """Embed beside what else is done; other workers may help."""
        given = WorkerOptions(batch_size=options.batch_size, lease_seconds=options.lease_seconds, poll_seconds=0.5)
        worker = Worker(self._engine, {to: embedder}, given)
        failures: list[BaseException] = []

        def work() -> None:
            try:
                worker.run()
            except BaseException as exc:  # noqa: BLE001 - it is raised again where somebody listens
                failures.append(exc)

        thread = threading.Thread(target=work, name="pgvec-reembed", daemon=True)
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join()
        if failures:
            raise failures[0]

    def _fill(self, options: ReembedOptions, tell: ReembedCallback) -> None:
        patience = _Patience(options.patience_seconds)
        total = None
        while True:
            ((waiting, parked),) = self._rows(statements.LEFT)
            total = waiting if total is None else max(total, waiting)
            tell(ReembedProgress("embedding", total - waiting, total))
            if parked > options.most_missing:
                raise SyncError(
                    f"{parked} rows of {self._table} were given up:  pgvec sync status  says why,  pgvec sync retry  tries again"
                )
            if not waiting:
                return
            patience.check(waiting, f"{waiting} rows of {self._table} still wait for an embedding by the new model")
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _index(self, new: str, tell: ReembedCallback) -> tuple[tuple[str, ...], list[Successor]]:
        """Build the counterpart of each index, online."""
        columns = {column.name: column for column in table_columns(self._engine, self._table, schema=self._schema)}
        old, made = columns[self._column], columns[new]
        with translated(), self._engine.connect() as connection:
            indexes = indexes_of(connection, self._table, self._schema)
        there = {index.name for index in indexes if index.valid}
        successors = successor_indexes(indexes, old, made)
        built = []
        for successor in successors:
            definition = successor.definition
            if definition is None:
                continue
            self._refuse_partitioned(old, definition.name, there)

            def report(found: BuildProgress, name: str = definition.name) -> None:
                tell(ReembedProgress(f"building {name}", found.done, found.total))

            tell(ReembedProgress(f"building {definition.name}"))
            if definition.name not in there or not old.partitioned:
                build_index(
                    self._engine, definition.to_index(concurrently=True), progress=report, settings=BuildSettings()
                )
            built.append(successor)
        return tuple(one.old.name for one in successors if one.definition is None), built

    def _refuse_partitioned(self, column: CatalogColumn, name: str, there: set[str]) -> None:
        if column.partitioned and name not in there:
            raise SchemaError(
                f"{self._table} is partitioned, and Postgres builds no index of such a table online: build {name} on the new "
                "column (on each partition concurrently, then on the table), and call this again"
            )

    def _check(
        self, new: str, built: Sequence[Successor], options: ReembedOptions, tell: ReembedCallback
    ) -> float | None:
        tell(ReembedProgress("checking"))
        patience = _Patience(options.patience_seconds)
        while True:
            ((_, missing),) = self._rows(statements.COVERAGE)
            if missing <= options.most_missing:
                break
            patience.check(missing, f"{missing} rows of {self._table} have no embedding by the new model")
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        with translated(), self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(statements.Analyze(self._table, self._schema, new))
        if not built:
            return None
        reflected = reflect_table(self._engine, self._table, schema=self._schema)
        repository = Repository[Any](self._engine, reflected, column=new, distance=built[0].distance)
        try:
            measured = repository.recall(sample=options.sample).recall
        except RecordNotFoundError:
            return None
        if measured < options.least_recall:
            raise SchemaError(
                f"by the indexes of {new} searches find {measured:.3f} of the true nearest, less than {options.least_recall}: "
                "nothing was switched; build them with a higher m or ef_construction, or ask for less"
            )
        return measured


class _Patience:
    """Gives up where a number stays as it is."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: int | None = None
        self._since = time.monotonic()

    def check(self, number: int, what: str) -> None:
        """Take note of the number, and raise where it has been the same for too long."""
        now = time.monotonic()
        if self._seen is None or number < self._seen:
            self._seen, self._since = number, now
        elif now - self._since > self._seconds:
            raise SyncTimeoutError(f"{what}, and nothing came forward for {self._seconds:g} s", backlog=number)


def _ignore(_progress: ReembedProgress) -> None:
    pass
