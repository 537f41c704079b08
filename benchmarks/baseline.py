"""The unfiltered search as pgvec first sent it: what later forms of the statement are measured against."""

from __future__ import annotations

from pathlib import Path

__all__ = ["BASELINE", "baseline_statement"]

BASELINE = Path(__file__).with_name("baseline.sql")


def baseline_statement() -> str:
    """Return the statement, with the parameter ``pgvec_query`` in psycopg's form."""
    lines = BASELINE.read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("--")).rstrip(";\n")
