"""What a search itself finds, as a part of a larger statement: candidates to order anew, and the rows that match in all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import CTE

from pgvec.model import Target
from pgvec.scores import CANDIDATES
from pgvec.statements.events import TasteScoring
from pgvec.statements.facets import Matching
from pgvec.statements.hybrid import hybrid_statement
from pgvec.statements.keyword import is_row, keyword_matches, keyword_statement
from pgvec.statements.numbers import whole_number
from pgvec.statements.plan import attributes, embedding_of
from pgvec.statements.requests import Find
from pgvec.statements.scoring import DiverseScoring, ExampleScoring, HybridScoring, KeywordScoring
from pgvec.statements.search import SearchBuilder

__all__ = ["Candidates", "candidates"]

# Positions in what keyword and hybrid searches return beside a row.
_SCORE, _BRANCH, _WORDS = 1, 2, 5


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The parts of a statement that a search makes.

    Attributes:
        rows: Keys (``key_<n>``) of what was found, with ``distance``, ``score``, ``words`` (BM25), ``branch`` and ``matching``.
        matching: Selects from the rows that match: all that would be found without a limit.
        by_score: Whether the search's own order is that of the score, not of the distance.
        builder: Makes distances of any row, for a search by vectors alone.
    """

    rows: CTE
    matching: Matching
    by_score: bool
    builder: SearchBuilder | None = None


def candidates(find: Find, schema: str, *, watched: bool) -> Candidates:
    """Build the search itself, for its keys alone.

    Args:
        find: What is asked for.
        schema: Postgres schema of the extension.
        watched: Whether the session's listeners may add conditions of their own.
    """
    plain = replace(find, shaping=None)
    keys = attributes(find.target, find.target.key)
    match find.scoring:
        case None:
            builder = SearchBuilder(plain, keys, schema)
            return Candidates(_by_distance(builder.statement(), len(keys)), builder.matching, False, builder)
        case KeywordScoring(pushed):
            counts = find.shaping is not None and find.shaping.facets is not None
            matches = keyword_matches(find.target, most=None) if counts else None
            statement = keyword_statement(plain, keys, pushed=pushed and not watched, matches=matches)
            found = _by_score(statement, len(keys), words=_SCORE)
            return Candidates(found, _matching_words(find, matches), True)
        case HybridScoring(pushed=pushed) as scoring:
            whole = replace(scoring, limit=2 * find.shape.limit, offset=0, pushed=pushed and not watched)
            found = _by_score(hybrid_statement(plain, whole, keys, schema), len(keys), words=_WORDS)
            return Candidates(found, _matching_either(find), True)
        case ExampleScoring() | DiverseScoring() | TasteScoring():
            raise AssertionError("a search by examples or with diversity orders its rows by itself")


def _by_distance(statement: sa.Select[Any], keys: int) -> CTE:
    *found, distance, branch, matching = statement.subquery("pgvec_found").c
    nothing: sa.ColumnElement[Any] = sa.cast(sa.null(), sa.Double())
    return _named(found[:keys], (distance, nothing, nothing, branch, matching))


def _by_score(statement: sa.Select[Any], keys: int, *, words: int) -> CTE:
    *found, distance, details, matching = statement.subquery("pgvec_found").c
    score, branch, bm25 = (details[whole_number(place)] for place in (_SCORE, _BRANCH, words))
    return _named(found[:keys], (distance, score, bm25, branch, matching))


def _named(keys: list[Any], values: tuple[Any, ...]) -> CTE:
    distance, score, words, branch, matching = values
    statement = sa.select(
        *(key.label(f"key_{n}") for n, key in enumerate(keys)),
        distance.label("distance"),
        sa.cast(score, sa.Double()).label("score"),
        sa.func.coalesce(sa.cast(words, sa.Double()), sa.literal_column("0")).label("words"),
        sa.cast(branch, sa.Integer()).label("branch"),
        matching.label("matching"),
    )
    return statement.cte(CANDIDATES).prefix_with("MATERIALIZED")


def _matching_words(find: Find, matches: CTE | None) -> Matching:
    def matching(*values: Any) -> sa.Select[Any]:
        assert matches is not None, "all matches are there where something is counted"
        statement = sa.select(*values).select_from(matches).join(find.target.entity, is_row(find.target, matches))
        return _restricted(statement, find)

    return matching


def _matching_either(find: Find) -> Matching:
    """Rows with an embedding, and rows with some of the words."""
    matches: list[CTE] = []

    def matching(*values: Any) -> sa.Select[Any]:
        if not matches:
            matches.append(keyword_matches(find.target, most=None, name="pgvec_matched"))
        embedding = embedding_of(find.target)
        has_words = _in(find.target, matches[0])
        statement = sa.select(*values).select_from(find.target.entity)
        return _restricted(statement.where(sa.or_(embedding.is_not(None), has_words)), find)

    return matching


def _in(target: Target, matches: CTE) -> sa.ColumnElement[bool]:
    keys = attributes(target, target.key)
    found = sa.select(*(matches.c[f"key_{n}"] for n in range(len(keys))))
    return sa.tuple_(*keys).in_(found) if len(keys) > 1 else keys[0].in_(found)


def _restricted(statement: sa.Select[Any], find: Find) -> sa.Select[Any]:
    return statement if find.where is None else statement.where(find.where)
