"""Arguments of keyword and hybrid searches, checked once for both repositories."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pgvec.errors import InvalidInputError, InvalidOptionError
from pgvec.model import Distance, Fusion, Target
from pgvec.operations.hybrid import DEFAULT_WEIGHT, HybridQuestion, Judgement
from pgvec.operations.keyword import KeywordQuestion
from pgvec.orm.rules import choose, whole_number
from pgvec.repository import arguments, shaping_arguments
from pgvec.repository.arguments import SearchOptions
from pgvec.repository.shaping_arguments import NOTHING, ShapingOptions, shaping_of
from pgvec.statements.keyword import limit_belongs_to_the_index
from pgvec.statements.scoring import INDEX, NEAR_WEIGHT, TEXT, WORDS_WEIGHT, HybridScoring, KeywordScoring

__all__ = [
    "candidates_of",
    "check_queries",
    "hybrid_question",
    "judgements",
    "keyword_parameters",
    "keyword_question",
]

_LONGEST_TEXT = 10_000
_LEAST_CANDIDATES = 100
_MOST_CANDIDATES = 10_000


def keyword_question(
    target: Target,
    text: object,
    *,
    where: object,
    limit: int,
    offset: int,
    index: str | None,
    columns: Sequence[Any] | None,
    include_embedding: bool,
    shaping: ShapingOptions = NOTHING,
) -> KeywordQuestion:
    """Check the arguments of a keyword search."""
    shaped = None
    if shaping.asks or shaping.candidates is not None:
        shaped = shaping_of(target, shaping, limit, offset, {"keyword_score"})
        limit, offset = shaping_arguments.candidates_of(shaping, shaped), 0
    options = SearchOptions(
        where=where,
        limit=limit,
        offset=offset,
        exact=False,
        max_distance=None,
        ef_search=None,
        recall=None,
        columns=columns,
        include_embedding=include_embedding,
    )
    checked = arguments.checked_options(target, options, {})
    return KeywordQuestion(
        checked.shape,
        KeywordScoring(pushed=where is None and limit_belongs_to_the_index(target)),
        checked.where,
        checked.display,
        checked.include_embedding,
        keyword_parameters(text, index),
        shaped,
    )


def keyword_parameters(text: object, index: object) -> dict[str, Any]:
    """Check what a keyword search asks for, and of which index."""
    if not isinstance(text, str):
        raise InvalidInputError(f"A keyword search takes a text, not {type(text).__name__}")
    if not text.strip():
        raise InvalidInputError("The query is an empty text: give at least one word")
    if len(text) > _LONGEST_TEXT:
        raise InvalidInputError(
            f"The query has {len(text):,} characters: a keyword search takes at most {_LONGEST_TEXT:,}; ask with the words "
            "that matter"
        )
    if index is not None and not isinstance(index, str):
        raise InvalidOptionError(f"index= takes the name of a keyword index, not {index!r}")
    return {TEXT: text, INDEX: index}


def hybrid_question(
    target: Target,
    text: object,
    vector: object,
    *,
    fusion: Fusion | str,
    weights: object,
    rrf_k: int,
    candidates: int | None,
    where: object,
    limit: int,
    offset: int,
    index: str | None,
    exact: bool,
    ef_search: int | None,
    columns: Sequence[Any] | None,
    include_embedding: bool,
    shaping: ShapingOptions = NOTHING,
) -> HybridQuestion:
    """Check the arguments of a hybrid search."""
    chosen = choose(Fusion, fusion, "fusion")
    if weights is not None and chosen is Fusion.AUTO:
        chosen = Fusion.CONVEX
    parameters = keyword_parameters(text, index)
    scoring = HybridScoring(
        chosen,
        limit=whole_number(limit, "limit", 1, _MOST_CANDIDATES),
        offset=whole_number(offset, "offset", 0, _MOST_CANDIDATES),
        rrf_k=whole_number(rrf_k, "rrf_k", 0, 1_000_000),
        pushed=where is None and limit_belongs_to_the_index(target),
    )
    wanted = scoring.limit + scoring.offset
    pool = candidates_of(wanted) if candidates is None else candidates
    options = SearchOptions(
        where=where,
        limit=whole_number(pool, "candidates", wanted, _MOST_CANDIDATES),
        exact=exact,
        max_distance=None,
        ef_search=ef_search,
        recall=None,
        columns=columns,
        include_embedding=include_embedding,
    )
    question = arguments.question(target, vector, options)
    if question.record_key is not None:
        raise InvalidInputError("vector= takes a vector, not a record: pass its embedding")
    near, words = _weights(weights, chosen)
    weighed = {**question.parameters, **parameters, NEAR_WEIGHT: near, WORDS_WEIGHT: words}
    shaped = None
    if shaping.asks:
        parts = {"distance", "keyword_score", "fused_score"}
        if target.distance is Distance.COSINE:
            parts.add("similarity")
        shaped = shaping_of(target, shaping, limit, offset, parts)
    return HybridQuestion(replace(question, parameters=weighed, shaping=shaped), scoring)


def candidates_of(wanted: int) -> int:
    """Return how long the lists of vectors and words are, where so many rows are wanted."""
    return max(_LEAST_CANDIDATES, wanted)


def judgements(
    target: Target,
    queries: Sequence[str],
    vectors: Sequence[Any],
    relevance: object,
    *,
    index: str | None,
    limit: int,
    candidates: int,
    folds: int,
) -> list[Judgement]:
    """Check judged queries."""
    whole_number(limit, "limit", 1, 1_000)
    whole_number(candidates, "candidates", limit, _MOST_CANDIDATES)
    whole_number(folds, "folds", 2, 100)
    if isinstance(vectors, str) or len(vectors) != len(queries):
        raise InvalidInputError("vectors= takes one vector for each query, in their order")
    if isinstance(relevance, str) or not isinstance(relevance, Sequence) or len(relevance) != len(queries):
        raise InvalidInputError(
            "relevance= takes one set of keys (or mapping of keys to gains) for each query, in their order"
        )
    if len(queries) < folds:
        raise InvalidInputError(
            f"{len(queries)} judged queries cannot be dealt into {folds} parts: judge more, or give fewer folds"
        )
    return [
        Judgement(_whole_pool(target, text, vector, index, candidates), _gains(target, relevant))
        for text, vector, relevant in zip(queries, vectors, relevance, strict=True)
    ]


def _whole_pool(target: Target, text: str, vector: object, index: str | None, candidates: int) -> HybridQuestion:
    """The search whose candidates are those of a hybrid search, and which returns them all."""
    asked = hybrid_question(
        target,
        text,
        vector,
        fusion=Fusion.CONVEX,
        weights=None,
        rrf_k=60,
        candidates=candidates,
        where=None,
        limit=candidates,
        offset=0,
        index=index,
        exact=False,
        ef_search=None,
        columns=target.key,
        include_embedding=False,
    )
    return replace(asked, scoring=replace(asked.scoring, limit=2 * candidates))


def check_queries(queries: object) -> list[str]:
    """Refuse what is no sequence of texts."""
    if isinstance(queries, str) or not isinstance(queries, Sequence) or not all(isinstance(q, str) for q in queries):
        raise InvalidInputError("queries= takes a list of texts")
    return list(queries)


def _gains(target: Target, relevant: object) -> dict[tuple[Any, ...], float]:
    if isinstance(relevant, str) or not isinstance(relevant, Collection):
        raise InvalidInputError(f"relevance= holds {relevant!r:.60}: give a set of keys, or a mapping of keys to gains")
    gains = relevant if isinstance(relevant, Mapping) else dict.fromkeys(relevant, 1.0)
    return {arguments.key_of(target, key): _number(gain, "a gain") for key, gain in gains.items()}


def _weights(given: object, fusion: Fusion) -> tuple[float, float]:
    if given is None:
        return (DEFAULT_WEIGHT, 1 - DEFAULT_WEIGHT) if fusion in (Fusion.AUTO, Fusion.CONVEX) else (1.0, 1.0)
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != 2:
        raise InvalidOptionError(f"weights={given!r:.60} takes two numbers: for the vectors and for the words")
    near, words = (_number(weight, "a weight") for weight in given)
    if near + words == 0:
        raise InvalidOptionError("weights= are both 0: give at least one that is greater")
    return (near / (near + words), words / (near + words)) if fusion is Fusion.CONVEX else (near, words)


def _number(value: object, what: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not 0 <= value <= 1e9
    ):
        raise InvalidOptionError(f"{value!r:.60} cannot be {what}: give a number that is not negative")
    return float(value)
