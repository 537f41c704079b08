"""What both retrievers share: the columns that they ask for, the arguments of the search, and passages of what it found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

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
        self._asked_columns: dict[tuple[int, bool], tuple[Any, ...]] = {}
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
        asked = (whole_number("neighbours", options.neighbours, 0, _MOST_NEIGHBOURS), bool(options.whole_documents))
        # The same expressions each time, so that their statement is found again.
        if asked not in self._asked_columns:
            chunk, parts = self._tables.chunk, self._whole() if asked[1] else self._near(asked[0])
            around = self._with_document(parts).label("around")
            self._asked_columns[asked] = (chunk.c.start_offset, chunk.c.end_offset, chunk.c.text_hash, around)
        return self._asked_columns[asked]

    def _near(self, neighbours: int) -> sa.ColumnElement[Any]:
        """The chunk and its neighbours: offsets and text, up to where the next one begins."""
        chunk = self._tables.chunk
        near = chunk.alias("pgvec_neighbour")
        distance: sa.ColumnElement[int] = sa.literal_column(f"{neighbours:d}")
        part: sa.ColumnElement[Any] = sa.func.jsonb_build_array(
            near.c.start_offset, near.c.end_offset, near.c.text + near.c.gap
        )
        return (
            sa.select(sa.func.jsonb_agg(aggregate_order_by(part, near.c.position)))
            .where(
                near.c.document_id == chunk.c.document_id,
                near.c.position.between(chunk.c.position - distance, chunk.c.position + distance),
            )
            .correlate(chunk)
            .scalar_subquery()
        )

    def _whole(self) -> sa.ColumnElement[Any]:
        text = self._tables.document.c.text
        return sa.func.jsonb_build_array(sa.func.jsonb_build_array(sa.literal_column("0"), sa.func.length(text), text))

    def _with_document(self, parts: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
        """The document of a chunk without its text, and the parts of it that are wanted, as one value."""
        chunk, document = self._tables.chunk, self._tables.document
        named: list[Any] = []
        for name in ("id", "corpus", "path", "title", "modified_at", "pages"):
            named += (sa.literal_column(f"'{name}'"), document.c[name])
        built = sa.func.jsonb_build_object(*named, sa.literal_column("'parts'"), parts, type_=JSONB)
        return sa.select(built).where(document.c.id == chunk.c.document_id).correlate(chunk).scalar_subquery()


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
    first, text = _joined(around["parts"], start)
    return Hit(source, start, end, first, first + len(text), text, text_hash, near if known else None, score)


def _joined(parts: Sequence[tuple[int, int, str]], start: int) -> tuple[int, str]:
    """Return where the parts around a chunk begin, and their text: as a rule of all, else of those that meet it."""
    first, last, text = parts[0][0], 0, ""
    for part_start, part_end, content in parts:
        if part_start > first + len(text):  # the part between is hidden from this role
            if part_start > start:
                break
            first, text = part_start, ""
        text += content[first + len(text) - part_start :]
        last = max(last, part_end)
    return first, text[: last - first]


def _counter(embedder: Embedder) -> Callable[[str], int]:
    if isinstance(embedder, TokenCounter):
        counts = embedder.token_counts
        return lambda text: int(counts([text])[0])
    return lambda text: math.ceil(len(text) / _CHARACTERS_PER_TOKEN)
