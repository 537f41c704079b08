"""``pgvec inspect``: the vector columns and indexes of a database."""

from __future__ import annotations

from dataclasses import replace

from pgvec.cli.commands.index import index_object
from pgvec.cli.database import open_database
from pgvec.cli.options import Json, RecallSample, Url
from pgvec.cli.output import note, print_json, print_table, print_text
from pgvec.cli.recall_samples import check_sample, with_recall
from pgvec.execution.index_plan import megabytes
from pgvec.execution.inspection import ColumnState, Inspection, inspect_database

__all__ = ["inspect"]


def inspect(*, sample: RecallSample = None, url: Url = None, as_json: Json = False) -> None:
    """Show every vector column and vector index of the database, and who made them; nothing is written."""
    check_sample(sample)
    with open_database(url) as engine:
        found = inspect_database(engine)
        found = replace(found, indexes=tuple(with_recall(engine, found.indexes, sample)))
    if as_json:
        print_json(
            {
                "extension_version": found.extension_version,
                "extension_schema": found.extension_schema,
                "columns": [_as_object(state) for state in found.columns],
                "indexes": [index_object(state) for state in found.indexes],
            }
        )
        return
    _print(found, with_recall=sample is not None)


def _print(found: Inspection, *, with_recall: bool) -> None:
    version = found.extension_version
    print_text(f"extension vector: {'not installed' if version is None else f'{version} in {found.extension_schema}'}")
    print_table(
        ("column", "type", "storage", "rows", "without vector", "dead rows", "table size", "made by"),
        [
            (
                f"{state.column.schema}.{state.column.table}.{state.column.name}",
                _type(state),
                state.column.storage,
                state.live_rows,
                _share(state.null_share),
                _share(state.dead_rows / max(state.live_rows + state.dead_rows, 1)),
                megabytes(state.table_bytes),
                state.made_by,
            )
            for state in found.columns
        ],
    )
    print_table(
        (
            "index",
            "on",
            "method",
            "operator class",
            "status",
            "size",
            "scans",
            *(("recall@10",) if with_recall else ()),
        ),
        [
            (
                state.index.name,
                f"{state.index.schema}.{state.index.table}.{state.index.column or state.index.expression}",
                state.index.method.value,
                state.index.operator_class,
                state.status,
                megabytes(state.size_bytes),
                state.scans,
                *((state.recall,) if with_recall else ()),
            )
            for state in found.indexes
        ],
    )
    for state in found.indexes:
        if state.advice is not None:
            note(f"{state.index.name}: {state.advice}")


def _type(state: ColumnState) -> str:
    if state.column.dimensions is not None:
        return f"{state.column.type.value}({state.column.dimensions})"
    sampled = ", ".join(map(str, state.sampled_dimensions))
    return f"{state.column.type.value}, holds {sampled}" if sampled else state.column.type.value


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _as_object(state: ColumnState) -> dict[str, object]:
    return {
        "schema": state.column.schema,
        "table": state.column.table,
        "column": state.column.name,
        "type": state.column.type,
        "dimensions": state.column.dimensions,
        "sampled_dimensions": state.sampled_dimensions,
        "storage": state.column.storage,
        "nullable": state.column.nullable,
        "rows": state.live_rows,
        "dead_rows": state.dead_rows,
        "null_share": state.null_share,
        "table_bytes": state.table_bytes,
        "made_by": state.made_by,
        "text_column": state.text_column,
    }
