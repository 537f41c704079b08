"""The search statement, unfiltered, as text: what later versions of it are measured against."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from benchmarks.schema import define_schema
from pgvec.orm import read_target
from pgvec.statements.search import SearchShape, search_statement

__all__ = ["BASELINE", "baseline_text", "write_baseline"]

BASELINE = Path(__file__).with_name("baseline.sql")
_DIMENSIONS = 784
_HEADER = """\
-- The unfiltered search for ten rows as pgvec first sent it: table item (id, label, embedding vector(784)), Euclidean distance,
-- an HNSW index, columns id and label, the extension in schema public. The parameter is the query vector in binary.
-- Later forms of the statement are measured against it. Written by: python -m benchmarks --write-baseline
"""


def baseline_text() -> str:
    """Return the file's text, from the statement that pgvec compiles now."""
    model = define_schema(_DIMENSIONS).model
    statement = search_statement(read_target(model), SearchShape(limit=10), [model.id, model.label], None, "public")
    compiled = statement.compile(dialect=PGDialect_psycopg())  # type: ignore[no-untyped-call]
    return f"{_HEADER}{compiled};\n"


def write_baseline() -> None:
    """Write the file."""
    BASELINE.write_text(baseline_text())
