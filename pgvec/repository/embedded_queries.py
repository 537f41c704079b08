"""Queries of the repositories that are texts, and the embedders that make vectors of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pgvec.embedders import check_embeddings
from pgvec.errors import InvalidInputError
from pgvec.model import Embedder, InputRole, Target
from pgvec.operations.aim import check_fit
from pgvec.operations.search import Question
from pgvec.repository.arguments import check_embedder, check_question, is_vector_text

__all__ = ["as_embedders", "counting", "embed_queries", "listed_queries", "text_queries"]

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


def text_queries(target: Target, queries: Sequence[object]) -> dict[int, str]:
    """Return the queries that are texts, by their places."""
    return {n: query for n, query in enumerate(queries) if isinstance(query, str) and not is_vector_text(target, query)}


def embed_queries(target: Target, embedder: Embedder | None, queries: Sequence[object]) -> list[Any]:
    """Return queries as vectors: the texts among them are embedded together."""
    found = list(queries)
    texts = text_queries(target, found)
    if not texts:
        return found
    for text in texts.values():
        check_question(embedder, text)
    assert embedder is not None
    check_fit(target, embedder)
    vectors = embedder.embed(list(texts.values()), role=InputRole.QUERY)
    for n, vector in zip(texts, check_embeddings(vectors, len(texts), embedder.dimensions), strict=True):
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
