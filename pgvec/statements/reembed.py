"""Statements of re-embeddings: calls of the functions in the schema ``pgvec``."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler

__all__ = ["ABANDON", "BEGIN", "CLEAN_UP", "COVERAGE", "ENQUEUE", "LEFT", "LOCK_TIMEOUT", "READ", "ROLLBACK", "SWITCH"]
__all__ += ["WHOLE", "Analyze"]

BEGIN = sa.text(
    "SELECT pgvec._reembed_begin_v1(CAST(:relation AS regclass), :old, :new, CAST(:type AS text), :dimensions, :embedder,"
    " :model, :revision, CAST(:source AS text[]), CAST(:template AS text))"
)
ENQUEUE = sa.text("SELECT pgvec._reembed_enqueue_v1(CAST(:relation AS regclass), :old)")
LEFT = sa.text("SELECT waiting, parked FROM pgvec._reembed_left_v1(CAST(:relation AS regclass), :old)")
COVERAGE = sa.text("SELECT row_count, missing FROM pgvec._reembed_coverage_v1(CAST(:relation AS regclass), :old)")
WHOLE = sa.text("SELECT pgvec._reembed_whole_v1(CAST(:relation AS regclass), :old)")
SWITCH = sa.text("SELECT pgvec.reembed_switch(CAST(:relation AS regclass), :old)")
ROLLBACK = sa.text("SELECT pgvec.reembed_rollback(CAST(:relation AS regclass), :old)")
ABANDON = sa.text("SELECT pgvec.reembed_abandon(CAST(:relation AS regclass), :old)")
CLEAN_UP = sa.text(
    "SELECT pgvec.reembed_clean_up(CAST(:relation AS regclass), :old,"
    " pg_catalog.make_interval(0, 0, 0, 0, 0, 0, CAST(:patience AS float8)))"
)
LOCK_TIMEOUT = sa.text("SELECT pg_catalog.set_config('lock_timeout', :milliseconds, true)")
READ = sa.text(
    "SELECT r.old_column, r.new_column, r.embedder, r.stage, r.whole, m.model_name, m.model_revision"
    " FROM pgvec.reembedding AS r"
    " LEFT JOIN pgvec.embedding_model AS m ON m.source_table = r.source_table AND m.column_name = r.new_column"
    " WHERE r.source_table = pg_catalog.to_regclass(:relation) AND r.old_column = :old"
)


class Analyze(ExecutableDDLElement):
    """``ANALYZE`` of one column."""

    def __init__(self, table: str, schema: str | None, column: str) -> None:
        self.table = sa.table(table, schema=schema)
        self.column = column


@compiles(Analyze, "postgresql")
def _compile_analyze(element: Analyze, compiler: DDLCompiler, **_kw: Any) -> str:
    preparer = compiler.preparer
    return f"ANALYZE {preparer.format_table(element.table)} ({preparer.quote(element.column)})"
