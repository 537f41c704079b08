"""What a queryset can be searched by: a vector, words, both, or examples. Each makes the recipe that answers it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pgvec.errors import ConfigurationError, InvalidOptionError
from pgvec.integrations.django import conf
from pgvec.integrations.django.driver import DjangoDriver
from pgvec.model import Embedder, Explanation, Fusion, Matches, Target
from pgvec.operations.aim import aim
from pgvec.operations.examples import search_by_examples
from pgvec.operations.explain import explain
from pgvec.operations.hybrid import hybrid_search
from pgvec.operations.keyword import keyword_search
from pgvec.operations.search import Question, search
from pgvec.repository import arguments, example_arguments, keyword_arguments
from pgvec.repository.arguments import SearchOptions
from pgvec.repository.embedded_queries import asked_queries, embed_queries, kinds_of
from pgvec.repository.example_arguments import Examples
from pgvec.statements.requests import Request

__all__ = ["Asked", "ByBoth", "ByExamples", "ByVector", "ByWords", "embedded"]


class Asked(Protocol):
    """What is asked of a target; texts are embedded when the answer is needed, in the thread that asks for it."""

    def recipe(
        self, driver: DjangoDriver, target: Target, options: SearchOptions, display: tuple[Any, ...]
    ) -> Generator[Request, Any, Matches[Any]]:
        """Check the arguments, and return the recipe of the search."""

    def explanation(
        self, driver: DjangoDriver, target: Target, options: SearchOptions, display: tuple[Any, ...], *, analyze: bool
    ) -> Generator[Request, Any, Explanation]:
        """Check the arguments, and return the recipe that tells how the search would be answered."""


class _Unexplained:
    __slots__ = ()

    def explanation(
        self,
        _driver: DjangoDriver,
        _target: Target,
        _options: SearchOptions,
        _display: tuple[Any, ...],
        *,
        analyze: bool,
    ) -> Generator[Request, Any, Explanation]:
        """Refuse: only the search for a vector has a plan to tell of."""
        raise InvalidOptionError(f"explain(analyze={analyze}) tells how search() and similar() would be answered")


@dataclass(frozen=True, slots=True)
class ByVector:
    """The nearest to a vector, a text or a stored record.

    Attributes:
        query: The vector, the text or the record.
        embedder: What embeds a text, or None for what the settings name.
    """

    query: object
    embedder: Embedder | None

    def recipe(
        self, driver: DjangoDriver, target: Target, options: SearchOptions, display: tuple[Any, ...]
    ) -> Generator[Request, Any, Matches[Any]]:
        """Check the arguments, and return the recipe of the search."""
        target, question = self._question(driver, target, options, display)
        return search(target, question)

    def explanation(
        self, driver: DjangoDriver, target: Target, options: SearchOptions, display: tuple[Any, ...], *, analyze: bool
    ) -> Generator[Request, Any, Explanation]:
        """Check the arguments, and return the recipe that tells how the search would be answered."""
        target, question = self._question(driver, target, options, display)
        return explain(target, question, analyze=analyze)

    def _question(
        self, driver: DjangoDriver, target: Target, options: SearchOptions, display: tuple[Any, ...]
    ) -> tuple[Target, Question]:
        target, (query,), asked = _aimed(driver, target, self.embedder, [self.query])
        return target, replace(arguments.question(target, query, options), display=display, asked=asked)


@dataclass(frozen=True, slots=True)
class ByWords(_Unexplained):
    """The best by BM25.

    Attributes:
        text: The words.
        index: Name of the keyword index, or None for the only one.
    """

    text: object
    index: str | None

    def recipe(
        self, _driver: DjangoDriver, target: Target, options: SearchOptions, display: tuple[Any, ...]
    ) -> Generator[Request, Any, Matches[Any]]:
        """Check the arguments, and return the recipe of the search."""
        question = keyword_arguments.keyword_question(
            target,
            self.text,
            where=options.where,
            limit=options.limit,
            offset=options.offset,
            index=self.index,
            columns=None,
            include_embedding=False,
        )
        return keyword_search(target, replace(question, display=display))


@dataclass(frozen=True, slots=True)
class ByBoth(_Unexplained):
    """The best by vectors and words together.

    Attributes:
        text: The words, which are embedded too where there is no vector.
        vector: The query vector, or None.
        embedder: What embeds the text, or None for what the settings name.
        index: Name of the keyword index, or None for the only one.
        fusion: How the two are brought together.
        weights: How much vectors and words count, or None.
        rrf_k: The constant of ``rrf``.
        candidates: How many of each are fused, or None.
    """

    text: str
    vector: object
    embedder: Embedder | None
    index: str | None
    fusion: Fusion | str
    weights: Sequence[float] | None
    rrf_k: int
    candidates: int | None

    def recipe(
        self, driver: DjangoDriver, target: Target, options: SearchOptions, display: tuple[Any, ...]
    ) -> Generator[Request, Any, Matches[Any]]:
        """Check the arguments, and return the recipe of the search."""
        keyword_arguments.keyword_parameters(self.text, self.index)
        query = self.text if self.vector is None else self.vector
        target, (vector,), statements = _aimed(driver, target, self.embedder, [query])
        asked = keyword_arguments.hybrid_question(
            target,
            self.text,
            vector,
            fusion=self.fusion,
            weights=self.weights,
            rrf_k=self.rrf_k,
            candidates=self.candidates,
            where=options.where,
            limit=options.limit,
            offset=options.offset,
            index=self.index,
            exact=options.exact,
            ef_search=options.ef_search,
            columns=None,
            include_embedding=False,
        )
        question = replace(asked.question, display=display, asked=statements)
        return hybrid_search(target, replace(asked, question=question))


@dataclass(frozen=True, slots=True)
class ByExamples(_Unexplained):
    """What is like some examples and unlike others.

    Attributes:
        examples: The examples.
        candidates: How many rows the index finds for each, or None.
        embedder: What embeds those that are texts, or None for what the settings name.
    """

    examples: Examples
    candidates: int | None
    embedder: Embedder | None

    def recipe(
        self, driver: DjangoDriver, target: Target, options: SearchOptions, display: tuple[Any, ...]
    ) -> Generator[Request, Any, Matches[Any]]:
        """Check the arguments, and return the recipe of the search."""
        target, values, statements = _aimed(driver, target, self.embedder, self.examples.given)
        asked = example_arguments.question(target, self.examples, values, self.candidates, options)
        question = replace(asked.question, display=display, asked=statements)
        return search_by_examples(target, replace(asked, question=question))


def embedded(target: Target, embedder: Embedder | None, text: str) -> Any:
    """Return the vector of a text.

    Raises:
        ConfigurationError: There is no embedder, or its vectors do not fit.
        EmbeddingError: The embedder does not answer.
    """
    return arguments.embed_query(target, _embedder(embedder, text), text)


def _aimed(
    driver: DjangoDriver, target: Target, embedder: Embedder | None, queries: Sequence[object]
) -> tuple[Target, list[Any], int]:
    """Embed the queries that are texts or media, by the model that filled the column.

    Returns:
        What to search, which is the column that took the place of the target's where there is one, the queries, and how many
        statements it took to learn where.

    Raises:
        ModelMismatchError: The vectors are of another model.
    """
    asked = asked_queries(target, queries)
    if not asked:
        return target, list(queries), 0
    chosen = _embedder(embedder, next(iter(asked.values())))
    for query in asked.values():
        arguments.check_question(chosen, query)
    found = driver.run(aim(target, (chosen,), kinds_of(asked)))
    return found.target, embed_queries(found.target, found.embedder, queries), found.statements


def _embedder(given: Embedder | None, query: object) -> Embedder:
    embedder = given or conf.embedder()
    if embedder is None:
        brief = f"{query[:40]!r} is a text" if isinstance(query, str) else f"{query!r} has to be embedded"
        raise ConfigurationError(
            f"The query {brief}, and the project names no embedder: set "
            "PGVEC = {'EMBEDDER': 'pgvec.embedders.default_embedder'}, or give embedder="
        )
    return embedder
