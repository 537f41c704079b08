"""Calls of the functions in the schema ``pgvec`` that keep embeddings in step with their text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, OID, Insert, insert
from sqlalchemy.types import UserDefinedType

from pgvec.model import ClaimedRow, EmbeddingSync, FailedRow, Target, WrittenRow
from pgvec.sql import SCHEMA
from pgvec.statements.plan import relation_text, target_table

__all__ = [
    "backlog",
    "backlog_of",
    "by_name",
    "claim",
    "create",
    "document_hash",
    "extend",
    "finish",
    "fix_model",
    "read_status",
    "release",
    "sync_table",
    "tasks",
    "worker_counts",
    "worker_started",
    "worker_stopped",
]

_metadata = sa.MetaData(schema=SCHEMA)
sync_table = sa.Table(
    "embedding_sync",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("source_table", sa.Text),
    sa.Column("target_column", sa.Text),
    sa.Column("embedder", sa.Text),
    sa.Column("priority", sa.Integer),
    sa.Column("paused", sa.Boolean),
)
_status = sa.table(
    "sync_status",
    *(
        sa.column(name)
        for name in (
            "name",
            "source_table",
            "target_column",
            "embedder",
            "priority",
            "paused",
            "model_name",
            "model_revision",
            "waiting",
            "claimed",
            "retrying",
            "parked",
            "oldest",
            "error",
        )
    ),
    schema=SCHEMA,
)
_worker = sa.table(
    "embedding_worker",
    *(
        sa.column(name)
        for name in (
            "id",
            "host",
            "process_id",
            "seen_at",
            "stopped_at",
            "embedded",
            "unchanged",
            "refused",
            "retried",
            "parked",
        )
    ),
    schema=SCHEMA,
)
_attribute = sa.table("pg_attribute", *map(sa.column, ("attrelid", "attname", "atttypmod")), schema="pg_catalog")
_class = sa.table("pg_class", sa.column("oid"), schema="pg_catalog")
_DAY: sa.ColumnElement[Any] = sa.literal_column("interval '1 day'")
_MINUTE: sa.ColumnElement[Any] = sa.literal_column("interval '1 minute'")


class _Regclass(UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_kw: Any) -> str:
        return "pg_catalog.regclass"


def document_hash(document: str) -> str:
    """Return the SHA-256 of a text as the schema ``pgvec`` keeps it, in hexadecimal."""
    return hashlib.sha256(document.encode()).hexdigest()


def create(sync: EmbeddingSync, backfill: str) -> sa.Select[Any]:
    """Declare a sync and return its name."""
    return sa.select(
        sa.func.pgvec.sync_create(
            sa.cast(relation_text(sync.table, sync.schema), _Regclass()),
            sa.cast(list(sync.source), ARRAY(sa.Text)),
            sa.cast(sync.column, sa.Text),
            sa.cast(sync.embedder, sa.Text),
            sa.cast(sync.name, sa.Text),
            sa.cast(sync.template, sa.Text),
            sync.priority,
            sa.cast(backfill, sa.Text),
        )
    )


def by_name(function: str, name: str) -> sa.Select[Any]:
    """Call ``pgvec.<function>(name)``; the function is one of pgvec's own."""
    return sa.select(_function(function)(sa.cast(name, sa.Text)))


def backlog(name: str) -> sa.Select[Any]:
    """Count the rows of a sync that wait for their embedding."""
    return by_name("sync_backlog", name)


def backlog_of(target: Target) -> sa.Select[Any]:
    """Count the rows that wait for the embedding of a target or of the column that replaces its column; NULL without a sync."""
    table = target_table(target)
    relation = sa.cast(relation_text(table.name, table.schema), _Regclass())
    column = sa.cast(target.column.name, sa.Text)
    return sa.select(sa.cast(sa.func.sum(sa.func.pgvec.sync_backlog(sync_table.c.name)), sa.BigInteger)).where(
        sa.cast(sync_table.c.source_table, OID) == sa.cast(relation, OID),
        sync_table.c.target_column.in_([column, sa.func.pgvec.current_column(relation, column)]),
    )


def read_status(name: str | None) -> sa.Select[Any]:
    """Select where the syncs stand, or one of them."""
    statement = sa.select(*_status.c).order_by(_status.c.priority.desc(), _status.c.name)
    return statement if name is None else statement.where(_status.c.name == name)


def tasks(embedders: Sequence[str] | None = None) -> sa.Select[Any]:
    """Select the syncs that workers attend to, the most important first: id, name, embedder, dimensions, priority.

    Those whose table was dropped are left out.
    """
    target = sa.and_(
        _attribute.c.attrelid == sa.cast(sync_table.c.source_table, OID),
        _attribute.c.attname == sync_table.c.target_column,
    )
    statement = (
        sa.select(
            sync_table.c.id,
            sync_table.c.name,
            sync_table.c.embedder,
            sa.func.nullif(_attribute.c.atttypmod, -1),
            sync_table.c.priority,
        )
        .select_from(sync_table.join(_attribute, target))
        .where(~sync_table.c.paused)
        .order_by(sync_table.c.priority.desc(), sync_table.c.id)
    )
    return statement if embedders is None else statement.where(sync_table.c.embedder.in_(embedders))


def claim(sync_id: int, size: int, lease_seconds: float, max_attempts: int) -> sa.Select[Any]:
    """Claim rows of a sync and return them with their texts, or NULL where there are none."""
    return sa.select(
        sa.type_coerce(_function("_claim_v1")(sync_id, size, _seconds(lease_seconds), max_attempts), JSONB)
    )


def finish(sync_id: int, token: int, worker: UUID, rows: Iterable[WrittenRow]) -> sa.Select[Any]:
    """Write embeddings, where the claim still holds, and return how many were written, refused and busy."""
    entries = [
        {
            "n": n,
            "key": written.row.key,
            "version": written.row.version,
            "hash": document_hash(written.row.document),
            "vector": written.vector,
            "kind": written.row.kind,
        }
        for n, written in enumerate(rows)
    ]
    return _worker_call(_function("_finish_v1"), sync_id, token, worker, entries)


def release(sync_id: int, token: int, worker: UUID, rows: Iterable[FailedRow]) -> sa.Select[Any]:
    """Give rows back, and return how many will be tried again, were parked, and were no longer held."""
    entries = [
        {
            "key": failed.row.key,
            "version": failed.row.version,
            # Postgres stores no NUL in a text, and an error message may quote anything.
            "error": failed.error.replace("\0", "").encode("utf-8", "replace").decode()[:2000],
            "delay": failed.delay_seconds,
            "park": failed.park,
            "refund": failed.refund,
        }
        for failed in rows
    ]
    return _worker_call(_function("_release_v1"), sync_id, token, worker, entries)


def extend(sync_id: int, token: int, worker: UUID, rows: Iterable[ClaimedRow], lease_seconds: float) -> sa.Select[Any]:
    """Lengthen the lease of a claim, and return how many of its rows are still held."""
    keys = sa.literal([row.key for row in rows], JSONB)
    return sa.select(
        _function("_extend_v1")(
            sync_id, sa.literal(token, sa.BigInteger), sa.cast(str(worker), sa.Uuid), keys, _seconds(lease_seconds)
        )
    )


def fix_model(sync_id: int, name: str, revision: str) -> sa.Select[Any]:
    """Record the model that fills a column, or refuse another than the recorded one."""
    return sa.select(_function("_fix_model_v2")(sync_id, sa.cast(name, sa.Text), sa.cast(revision, sa.Text)))


def worker_started(worker: UUID, host: str, process_id: int) -> Insert:
    """Record a worker, and forget those that have not been seen for a day."""
    forgotten = sa.delete(_worker).where(_worker.c.seen_at < sa.func.pg_catalog.now() - _DAY).cte("forgotten")
    started = insert(_worker).values(id=worker, host=host, process_id=process_id).add_cte(forgotten)
    return started.on_conflict_do_update(
        index_elements=[_worker.c.id], set_={"stopped_at": None, "seen_at": sa.func.now()}
    )


def worker_stopped(worker: UUID) -> sa.Update:
    """Record that a worker ended in order."""
    return sa.update(_worker).where(_worker.c.id == worker).values(stopped_at=sa.func.pg_catalog.clock_timestamp())


def worker_counts() -> sa.Select[Any]:
    """Sum up what all workers of the last day did: embedded, unchanged, refused, retried, parked, and how many run."""
    counts = (_worker.c.embedded, _worker.c.unchanged, _worker.c.refused, _worker.c.retried, _worker.c.parked)
    running = sa.and_(_worker.c.stopped_at.is_(None), _worker.c.seen_at > sa.func.pg_catalog.now() - _MINUTE)
    return sa.select(*(sa.func.coalesce(sa.func.sum(count), 0) for count in counts), sa.func.count().filter(running))


def _function(name: str) -> Any:
    return getattr(sa.func.pgvec, name)


def _worker_call(
    function: Any, sync_id: int, token: int, worker: UUID, entries: list[dict[str, Any]]
) -> sa.Select[Any]:
    call = function(
        sync_id, sa.literal(token, sa.BigInteger), sa.cast(str(worker), sa.Uuid), sa.literal(entries, JSONB)
    )
    return sa.select(sa.type_coerce(call, JSONB))


def _seconds(seconds: float) -> Any:
    # Five zeros stand for years to minutes, which PostgreSQL lets come first.
    return sa.func.pg_catalog.make_interval(0, 0, 0, 0, 0, 0, seconds)
