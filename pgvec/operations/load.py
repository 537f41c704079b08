"""The recipe of a bulk load: COPY straight into the table where nothing forbids it, else a staging table and a merge."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, TypeAlias, get_args

import sqlalchemy as sa

from pgvec.errors import (
    AccessDeniedError,
    DuplicateRecordError,
    InvalidOptionError,
    InvalidRowError,
    PgvecError,
    QueryError,
)
from pgvec.model import LoadReport, Target
from pgvec.operations.load_columns import Attributes, choose_columns
from pgvec.statements.load import (
    Merge,
    OnConflict,
    Relation,
    copy_into,
    copy_into_staging,
    create_staging,
    describe,
    drop_staging,
    read_table,
)
from pgvec.statements.load_requests import (
    AskNames,
    CopyRows,
    LoadRequest,
    RowForm,
    Run,
)
from pgvec.statements.requests import Execute

__all__ = ["LoadOptions", "load"]

_SAME_ROW_TWICE = "21000"

Recipe: TypeAlias = Generator[LoadRequest, Any, LoadReport]


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load.

    Attributes:
        on_conflict: What happens to a row whose key exists: ``error``, ``skip`` it, or ``update`` the row that has it.
        key: An attribute or several that make up the key, or None for the primary key.
        form: How the values of rows are given.
        schemas: SQLAlchemy's ``schema_translate_map`` of the connection.
    """

    on_conflict: OnConflict = "error"
    key: Any = None
    form: RowForm = RowForm.PYTHON
    schemas: Mapping[str | None, str | None] | None = None


def load(target: Target, options: LoadOptions, dialect: sa.Dialect) -> Recipe:
    """Load rows into the table of a target.

    Args:
        target: Where to.
        options: How.
        dialect: Dialect of the connection.

    Raises:
        InvalidOptionError: ``on_conflict`` or ``key`` cannot be used.
        InvalidRowError: A row cannot be stored; ``position`` says which.
        DuplicateRecordError: A key exists already, or twice in the input; ``position`` says which row.
    """
    started = monotonic()
    attributes = Attributes(target)
    key = _key(target, attributes, options)
    names = yield AskNames()
    if names is None:
        return LoadReport(rows=0, inserted=0, updated=0, skipped=0, seconds=monotonic() - started, method="copy")
    schema = attributes.table.schema
    relation = Relation((options.schemas or {}).get(schema, schema), attributes.table.name)
    server = read_table((yield Execute(describe(relation), target)).rows)
    chosen = choose_columns(target, attributes, names, server, dialect=dialect, form=options.form)
    if options.on_conflict == "error" and server.takes_copy and not chosen.needs_insert:
        columns = [column.name for column in chosen.columns]
        copied = yield CopyRows(copy_into(relation, columns), relation.name, chosen.columns)
        inserted, updated, method = copied.stored, 0, "copy"
    else:
        staging = Relation("pg_temp", f"pgvec_load_{secrets.token_hex(8)}")
        merge = Merge(attributes.table, server, staging, chosen.columns, options.on_conflict, key)
        _check_merge(merge)
        yield Run(create_staging(staging, relation, chosen.columns))
        copied = yield CopyRows(
            copy_into_staging(staging, chosen.columns), staging.name, chosen.columns, positions=True
        )
        inserted, updated = yield from _merge(target, merge, copied.sent)
        yield Run(drop_staging(staging))
        method = "merge"
    return LoadReport(
        rows=copied.sent,
        inserted=inserted,
        updated=updated,
        skipped=copied.sent - inserted - updated,
        seconds=monotonic() - started,
        method=method,
    )


def _key(target: Target, attributes: Attributes, options: LoadOptions) -> tuple[str, ...]:
    if options.on_conflict not in get_args(OnConflict):
        raise InvalidOptionError(
            f"on_conflict is {options.on_conflict!r}, but it must be one of {', '.join(map(repr, get_args(OnConflict)))}"
        )
    if options.key is None:
        return tuple(attributes.columns[name].name for name in target.key)
    if options.on_conflict == "error":
        raise InvalidOptionError("key= says which rows to skip or update: give on_conflict='skip' or 'update' with it")
    several = isinstance(options.key, Sequence) and not isinstance(options.key, str)
    given = list(options.key) if several else [options.key]
    if not given:
        raise InvalidOptionError("key= is empty: name at least one attribute, or leave it out for the primary key")
    return tuple(attributes.columns[attributes.required(name, "key=")].name for name in given)


def _check_merge(merge: Merge) -> None:
    given = {column.name for column in merge.columns if column.default is None}
    if merge.on_conflict != "error" and (missing := [name for name in merge.key if name not in given]):
        raise InvalidOptionError(
            f"on_conflict={merge.on_conflict!r} compares by {', '.join(map(repr, merge.key))}, and rows do not have "
            f"{', '.join(map(repr, missing))}: add it, or name another unique key with key="
        )
    identity = next((name for name in given if merge.server.columns[name].identity), None)
    if identity is not None:
        raise InvalidOptionError(
            f"column {identity!r} is GENERATED ALWAYS AS IDENTITY, so only COPY may write it: leave it out of the rows, "
            "compare by another unique key with key=, or declare it GENERATED BY DEFAULT"
        )


def _merge(target: Target, merge: Merge, rows: int) -> Generator[LoadRequest, Any, tuple[int, int]]:
    """Merge what was staged, and return how many rows were inserted and updated."""
    try:
        result = yield Execute(merge.statement(), target, savepoint=True)
    except QueryError as error:
        if error.sqlstate == _SAME_ROW_TWICE and not merge.distinct:
            # Looking for equal keys reads all vectors once more, so it waits until there are some.
            return (yield from _merge(target, replace(merge, distinct=True), rows))
        # A policy that refuses a row and a missing privilege have the same SQLSTATE.
        if not (isinstance(error, AccessDeniedError) and merge.server.secured):
            raise
        raise (yield from _blamed(target, merge, rows, error)) from error.__cause__
    except (InvalidRowError, DuplicateRecordError) as error:
        raise (yield from _blamed(target, merge, rows, error)) from error.__cause__
    if merge.on_conflict != "update":
        return result.count, 0
    written, updated = result.rows[0]
    return written - updated, updated


def _blamed(target: Target, merge: Merge, rows: int, error: PgvecError) -> Generator[LoadRequest, Any, PgvecError]:
    """Find the row that an INSERT ... SELECT failed for, which the server does not name, and return its error.

    Merges ever smaller ranges, keeping what succeeds; all of it is undone with the load. In sum this takes at most about
    twice the time of the merge.
    """
    merge = replace(merge, distinct=merge.on_conflict == "update")
    try:
        yield Execute(merge.part(0, 0), target, savepoint=True)
    except PgvecError:
        return error  # no row is needed to fail
    low, high = 0, rows
    while high - low > 1:
        middle = (low + high) // 2
        try:
            yield Execute(merge.part(low, middle), target, savepoint=True)
        except PgvecError as narrower:
            high, error = middle, narrower
        else:
            low = middle
    return _at(high, error)


def _at(position: int, error: PgvecError) -> PgvecError:
    kind = type(error) if isinstance(error, InvalidRowError | DuplicateRecordError) else InvalidRowError
    attributes = {name: value for name, value in vars(error).items() if name != "message"}
    return kind(f"Row {position}: {error}", **{**attributes, "position": position})
