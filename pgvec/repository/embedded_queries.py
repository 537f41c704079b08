"""Queries of the repositories that are texts or media, and the embedders that make vectors of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pgvec.embedders import check_embeddings
from pgvec.errors import InvalidInputError
from pgvec.model import Embedder, InputKind, InputRole, Target, input_kind
from pgvec.operations.aim import check_fit
from pgvec.operations.search import Question
from pgvec.repository.arguments import check_embedder, check_question, question_kind

__all__ = ["as_embedders", "asked_queries", "counting", "embed_queries", "kinds_of", "listed_queries"]

_Asked = TypeVar("_Asked")


def as_embedders(given: Embedder | Sequence[Embedder] | None) -> tuple[Embedder, ...]:
    """Return the embedders of a repository: none, one, or those of the models between which a column changes."""
    if given is None:
        return ()
    embedders = tuple(given) if isinstance(given, list | tuple) else (given,)
    for embedder in embedders:
        check_embedder(embedder)
    return embedders


def listed_queries(queries: Iterable[object]) -> list[Any]:
    """Return queries as a list.

    Raises:
        InvalidInputError: They are no queries, but one.
    """
    if isinstance(queries, str | bytes | Mapping) or not isinstance(queries, Iterable):
        raise InvalidInputError(f"queries= takes a list of vectors or texts, not {type(queries).__name__}")
    return list(queries)


def asked_queries(target: Target, queries: Sequence[object]) -> dict[int, object]:
    """Return the queries that have to be embedded, by their places: texts, pictures and sounds."""
    return {n: query for n, query in enumerate(queries) if question_kind(target, query) is not None}


def kinds_of(asked: Mapping[int, object]) -> frozenset[InputKind]:
    """Return which kinds of input there are among such queries."""
    return frozenset(kind for query in asked.values() if (kind := input_kind(query)) is not None)


def embed_queries(target: Target, embedder: Embedder | None, queries: Sequence[object]) -> list[Any]:
    """Return queries as vectors: those that are none are embedded together."""
    found = list(queries)
    asked = asked_queries(target, found)
    if not asked:
        return found
    for query in asked.values():
        check_question(embedder, query)
    assert embedder is not None
    check_fit(target, embedder, kinds_of(asked))
    vectors = embedder.embed(list(asked.values()), role=InputRole.QUERY)
    for n, vector in zip(asked, check_embeddings(vectors, len(asked), embedder.dimensions), strict=True):
        found[n] = vector
    return found


def counting(question: _Asked, statements: int) -> _Asked:
    """Let a receipt count the statements that were sent before the search."""
    if not statements:
        return question
    if isinstance(question, Question):
        return replace(question, asked=statements)
    inner: Any = question
    return replace(inner, question=replace(inner.question, asked=statements))  # type: ignore[no-any-return]
