"""The statement for whatever a recipe wants to find."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from pgvec.statements.diversity import diverse_statement
from pgvec.statements.events import TasteScoring
from pgvec.statements.examples import examples_statement
from pgvec.statements.grouped import grouped_statement
from pgvec.statements.hybrid import hybrid_statement
from pgvec.statements.keyword import keyword_statement
from pgvec.statements.requests import Find
from pgvec.statements.scoring import DiverseScoring, ExampleScoring, HybridScoring, KeywordScoring
from pgvec.statements.search import search_statement
from pgvec.statements.search_many import search_many_statement
from pgvec.statements.shaped import shaped_statement
from pgvec.statements.taste import taste_statement

__all__ = ["find_statement"]


def find_statement(find: Find, columns: list[Any], schema: str, *, watched: bool = False) -> sa.Select[Any]:
    """Build the statement for a request.

    Args:
        find: What is asked for.
        columns: What to select for a row.
        schema: Postgres schema of the extension.
        watched: Whether the session's listeners may add conditions of their own to the statement.
    """
    if find.shaping is not None:
        shape = grouped_statement if find.shaping.groups is not None else shaped_statement
        return shape(find, find.shaping, columns, schema, watched=watched)
    match find.scoring:
        case None:
            build = search_many_statement if find.shape.many else search_statement
            return build(find, columns, schema)
        case KeywordScoring(pushed):
            return keyword_statement(find, columns, pushed=pushed and not watched)
        case HybridScoring(pushed=pushed) as scoring:
            return hybrid_statement(find, replace(scoring, pushed=pushed and not watched), columns, schema)
        case ExampleScoring() as scoring:
            return examples_statement(find, scoring, columns, schema)
        case DiverseScoring() | TasteScoring() as scoring:
            return _chosen(find, scoring, columns, schema)


def _chosen(find: Find, scoring: DiverseScoring | TasteScoring, columns: list[Any], schema: str) -> sa.Select[Any]:
    """The statement of a search whose rows are chosen among more candidates."""
    if isinstance(scoring, TasteScoring):
        return taste_statement(find, scoring, columns, schema)
    return diverse_statement(find, scoring, columns, schema)
