"""The statement that later ones are measured against."""

from __future__ import annotations

from benchmarks.baseline import baseline_statement


def test_baseline_is_one_statement_with_one_parameter() -> None:
    """The file is read without its comments, so that psycopg can run it as it stands."""
    statement = baseline_statement()
    assert statement.startswith("WITH pgvec_before")
    assert "--" not in statement
    assert ";" not in statement
    assert statement.count("%(pgvec_query)s") == statement.count("%") == 3
