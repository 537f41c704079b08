"""Statements that measurements of recall need beside the searches themselves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as pg_insert

from pgvec.model import Target
from pgvec.statements.plan import attributes, embedding_of

__all__ = [
    "chosen_by_key",
    "discard_setting",
    "may_store_settings",
    "sample_of_records",
    "store_setting",
]

_SALT_OF_SAMPLE = 1
_SALT_OF_FILTER = 2
_PARTS = 10_000

_setting = sa.table(
    "search_setting",
    sa.column("relation_schema", sa.Text),
    sa.column("relation_name", sa.Text),
    sa.column("index_name", sa.Text),
    sa.column("filter_class", sa.Text),
    sa.column("row_limit", sa.Integer),
    sa.column("target_recall", sa.Double),
    sa.column("ef_search", sa.Integer),
    sa.column("recall", sa.Double),
    sa.column("details", JSONB),
    sa.column("measured_at", sa.DateTime(timezone=True)),
    schema="pgvec",
)
_KEY = ("relation_schema", "relation_name", "index_name", "filter_class", "row_limit", "target_recall")


def sample_of_records(target: Target, count: int) -> sa.Select[Any]:
    """Select keys and embeddings of records that are as good as random, and the same each time."""
    keys = attributes(target, target.key)
    embedding = embedding_of(target)
    # Only keys are sorted: an embedding may have to be fetched from elsewhere.
    chosen = (
        sa.select(*(key.label(f"key_{n}") for n, key in enumerate(keys)))
        .where(embedding.is_not(None))
        .order_by(_hash_of_key(target, _SALT_OF_SAMPLE))
        .limit(count)
        .subquery("chosen")
    )
    same = sa.and_(*(key == chosen.c[f"key_{n}"] for n, key in enumerate(keys)))
    return sa.select(*keys, embedding).join_from(chosen, target.entity, same)


def chosen_by_key(target: Target, share: float) -> sa.ColumnElement[bool]:
    """Build a filter that passes a share of the rows, whatever their embeddings."""
    part = sa.func.mod(_hash_of_key(target, _SALT_OF_FILTER), sa.literal_column(str(_PARTS)))
    return sa.func.abs(part) < round(share * _PARTS)


def may_store_settings() -> sa.TextClause:
    """Whether the table for settings is there, and whether this role may write it."""
    return sa.text(
        "SELECT pg_catalog.count(*) > 0, coalesce(pg_catalog.bool_and("
        "pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"
        " AND pg_catalog.has_table_privilege(c.oid, 'INSERT') AND pg_catalog.has_table_privilege(c.oid, 'UPDATE')"
        " AND pg_catalog.has_table_privilege(c.oid, 'DELETE')), false)"
        " FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'pgvec' AND c.relname = 'search_setting'"
    )


def store_setting() -> Any:
    """Insert a setting, or replace the one of the same index, class, limit and target."""
    statement = pg_insert(_setting)
    replaced = {name: statement.excluded[name] for name in ("ef_search", "recall", "details")}
    return statement.on_conflict_do_update(
        index_elements=[_setting.c[name] for name in _KEY], set_=replaced | {"measured_at": sa.func.now()}
    )


def discard_setting() -> Any:
    """Delete the setting of an index, class, limit and target, which a newer measurement refutes."""
    return sa.delete(_setting).where(*(_setting.c[name] == sa.bindparam(f"key_{name}") for name in _KEY))


def _hash_of_key(target: Target, salt: int) -> sa.ColumnElement[int]:
    texts: Iterator[Any] = (sa.cast(key, sa.Text) for key in attributes(target, target.key))
    whole: sa.ColumnElement[str] = reduce(lambda left, right: left + sa.literal_column("'/'") + right, texts)
    hashed: sa.ColumnElement[int] = sa.func.hashtextextended(whole, sa.literal_column(str(salt)), type_=sa.BigInteger)
    return hashed
