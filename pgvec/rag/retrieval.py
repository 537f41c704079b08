"""What both retrievers share: the columns that they ask for, the arguments of the search, and passages of what it found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pgvec.errors import InvalidInputError, InvalidOptionError
from pgvec.model import Embedder, Matches, TokenCounter
from pgvec.orm.keyword_index import keyword_indexes
from pgvec.rag.arguments import check_corpus
from pgvec.rag.context import Context, Hit, Source, assemble
from pgvec.rag.recipes import Tables
from pgvec.repository.checks import number, share, whole_number
from pgvec.scores import decay, fused_score, similarity
from pgvec.statements.filters import build_filter

__all__ = ["Asked", "Retrieval", "RetrievalOptions"]

_CHARACTERS_PER_TOKEN = 4
_MOST_NEIGHBOURS = 100


@dataclass(frozen=True, slots=True)
class RetrievalOptions:
    """What a caller wants of one retrieval, as it was given."""

    where: object
    corpus: str | None
    limit: int
    neighbours: int
    whole_documents: bool
    max_tokens: int
    min_similarity: float | None
    half_life: object
    recency_weight: float
    weights: Sequence[float] | None
    vector: object


@dataclass(frozen=True, slots=True)
class Asked:
    """A search, checked.

    Attributes:
        method: Which search of the repository.
        query: Its first argument.
        arguments: The others.
    """

    method: str
    query: object
    arguments: dict[str, Any]


class Retrieval:
    """Turns questions into searches, and what they find into contexts.

    Args:
        tables: The tables.
        embedder: Embeds the question, and counts tokens where it can.
        keyword_index: Name of the keyword index, where there are several.
        count_tokens: Counts the tokens of a text instead.

    Raises:
        InvalidOptionError: Something that counts no tokens.
    """

    def __init__(
        self,
        tables: Tables,
        embedder: Embedder,
        keyword_index: str | None,
        count_tokens: Callable[[str], int] | None,
    ) -> None:
        if count_tokens is not None and not callable(count_tokens):
            raise InvalidOptionError(f"count_tokens={count_tokens!r:.60} is no function from a text to a number")
        self._tables = tables
        self._keyword_index = keyword_index
        self._hybrid = bool(keyword_indexes(tables.chunk)) or keyword_index is not None
        self._count = count_tokens or _counter(embedder)

    def ask(self, question: str, options: RetrievalOptions) -> Asked:
        """Return the search for a question.

        Raises:
            InvalidInputError: The question or an option cannot be used.
        """
        check_question(question)
        whole_number("limit", options.limit, 1, 1_000)
        whole_number("max_tokens", options.max_tokens, 1, 2**31)
        arguments: dict[str, Any] = {
            "where": self._where(options),
            # Equal chunks are taken once.
            "limit": 2 * options.limit,
            "columns": self._columns(options),
        }
        relevance = fused_score() if self._hybrid else similarity()
        if options.half_life is not None:
            arguments["score"] = relevance * self._recency(options)
        if options.min_similarity is not None:
            number("min_similarity", options.min_similarity)
        if not self._hybrid:
            if options.weights is not None:
                raise InvalidOptionError(
                    "weights= are those of words and vectors, and the chunks declare no KeywordIndex"
                )
            return Asked("search", question if options.vector is None else options.vector, arguments)
        arguments |= {"vector": options.vector, "weights": options.weights, "index": self._keyword_index}
        return Asked("hybrid_search", question, arguments)

    def context(self, question: str, options: RetrievalOptions, found: Matches[Any]) -> Context:
        """Return the context that was found.

        Raises:
            InvalidOptionError: The budget is less than every chunk that was found.
        """
        # A role may see a chunk and not its document (row-level security).
        hits = (_hit(match.record, match.similarity, match.score) for match in found if match.record[-1] is not None)
        return assemble(
            question,
            hits,
            found.receipt,
            limit=options.limit,
            max_tokens=options.max_tokens,
            min_similarity=options.min_similarity,
            count=self._count,
        )

    def _where(self, options: RetrievalOptions) -> object:
        if options.corpus is None:
            return options.where
        document, chunk = self._tables.document, self._tables.chunk
        own = sa.select(document.c.id).where(document.c.corpus == check_corpus(options.corpus))
        condition = chunk.c.document_id.in_(own)
        given = build_filter(self._tables.target, options.where)
        return condition if given is None else sa.and_(given, condition)

    def _recency(self, options: RetrievalOptions) -> sa.ColumnElement[float]:
        weight = share("recency_weight", options.recency_weight)
        document = self._tables.document
        changed = sa.select(document.c.modified_at).where(document.c.id == self._tables.chunk.c.document_id)
        moment = changed.correlate(self._tables.chunk).scalar_subquery()
        return (1.0 - weight) + weight * decay(moment, scale=options.half_life)

    def _columns(self, options: RetrievalOptions) -> tuple[Any, ...]:
        whole_number("neighbours", options.neighbours, 0, _MOST_NEIGHBOURS)
        chunk = self._tables.chunk
        return (chunk.c.start_offset, chunk.c.end_offset, chunk.c.text_hash, self._around(options).label("around"))

    def _around(self, options: RetrievalOptions) -> sa.ScalarSelect[Any]:
        """The document of a chunk, and the part of its text that is wanted, as one value: a lookup for each match."""
        chunk, document = self._tables.chunk, self._tables.document
        near = chunk.alias("pgvec_neighbour")
        distance: sa.ColumnElement[int] = sa.literal_column(f"{options.neighbours:d}")
        wanted = near.c.position.between(chunk.c.position - distance, chunk.c.position + distance)
        span = (
            sa.select(sa.func.min(near.c.start_offset).label("first"), sa.func.max(near.c.end_offset).label("last"))
            .where(near.c.document_id == chunk.c.document_id, wanted)
            .correlate(chunk)
            .lateral("pgvec_span")
        )
        first: sa.ColumnElement[int] = span.c.first
        last: sa.ColumnElement[int] = span.c.last
        if options.whole_documents:
            first, last = sa.literal_column("0"), sa.func.length(document.c.text)
        values = {
            "id": document.c.id,
            "corpus": document.c.corpus,
            "path": document.c.path,
            "title": document.c.title,
            "modified_at": document.c.modified_at,
            "pages": document.c.pages,
            "first": first,
            "last": last,
            "text": sa.func.substr(document.c.text, first + sa.literal_column("1"), last - first),
        }
        named = [part for name, value in values.items() for part in (sa.literal_column(f"'{name}'"), value)]
        return (
            sa.select(sa.func.jsonb_build_object(*named, type_=JSONB))
            .select_from(document if options.whole_documents else document.join(span, sa.true()))
            .where(document.c.id == chunk.c.document_id)
            .correlate(chunk)
            .scalar_subquery()
        )


def check_question(question: object) -> None:
    """Refuse what is no question.

    Raises:
        InvalidInputError: It is no text, or a blank one.
    """
    if not isinstance(question, str) or not question.strip():
        raise InvalidInputError(f"A question is a text that is not blank, not {question!r:.60}")
    if "\0" in question or any("\ud800" <= character <= "\udfff" for character in question):
        raise InvalidInputError(
            f"The question {question!a:.60} holds a NUL character or a lone surrogate, which is no text"
        )


def _hit(row: Any, near: float | None, score: float | None) -> Hit:
    start, end, text_hash, around = row
    source = Source(
        around["id"],
        around["corpus"],
        around["path"],
        around["title"],
        datetime.fromisoformat(around["modified_at"]),
        tuple(around["pages"]),
    )
    known = near is not None and not math.isnan(near)
    return Hit(
        source, start, end, around["first"], around["last"], around["text"], text_hash, near if known else None, score
    )


def _counter(embedder: Embedder) -> Callable[[str], int]:
    if isinstance(embedder, TokenCounter):
        counts = embedder.token_counts
        return lambda text: int(counts([text])[0])
    return lambda text: math.ceil(len(text) / _CHARACTERS_PER_TOKEN)
