"""Arguments of searches with a reranker, checked once for both repositories, and the asking of the model."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from pgvec.errors import ConfigurationError, InvalidInputError, InvalidOptionError
from pgvec.model import Matches, Rerank, Target
from pgvec.operations.rerank import Pool, in_order_of
from pgvec.repository import arguments, checks
from pgvec.repository.shaping_arguments import ShapingOptions
from pgvec.rerankers.checks import check_pairs, check_scores
from pgvec.statements.named_values import named_value
from pgvec.statements.plan import attributes

__all__ = ["Reordering", "ask", "ask_async", "reordering"]

_CANDIDATES = 50
_MOST_CANDIDATES = 1_000


@dataclass(frozen=True, slots=True)
class Reordering:
    """A reranker, with what it is asked.

    Attributes:
        reranker: The model.
        query: What it looks for.
        columns: What it reads of a record.
        separator: What stands between the texts of two columns.
        candidates: How many matches it scores.
        limit: Most matches to return.
        offset: Matches to pass over first.
    """

    reranker: Any
    query: str
    columns: tuple[Any, ...]
    separator: str
    candidates: int
    limit: int
    offset: int

    def texts(self, pool: Pool) -> list[str]:
        """Return what the model reads of each candidate; an empty text where there is nothing."""
        return [
            self.separator.join(str(value) for value in values if value is not None and str(value).strip())
            for values in pool.texts
        ]

    def applied(self, pool: Pool, texts: Sequence[str], scores: object) -> Matches[Any]:
        """Return the matches in the order of what the model answered for the texts that are not empty."""
        has_text = np.array([bool(text) for text in texts], dtype=np.bool_)
        every: NDArray[np.float64] = np.full(len(texts), np.nan)
        every[has_text] = check_scores(scores, int(has_text.sum()))
        return in_order_of(pool, every, limit=self.limit, offset=self.offset)


def reordering(
    target: Target,
    rerank: object,
    query: object,
    shaping: ShapingOptions,
    *,
    limit: int,
    offset: int,
    after: object = None,
) -> tuple[Reordering, ShapingOptions]:
    """Check a reranker and what goes with it.

    Args:
        target: What is searched.
        rerank: What the caller gave: a reranker, or a :class:`Rerank`.
        query: The query of the search; its text is the reranker's query, too.
        shaping: What else orders it.
        limit: Most matches to return.
        offset: Matches to pass over first.
        after: The last match of the page before.

    Returns:
        What to ask of the model, and what is made of the search for its candidates.
    """
    given = rerank if isinstance(rerank, Rerank) else Rerank(rerank)  # type: ignore[arg-type]
    if not callable(getattr(given.reranker, "rerank", None)):
        raise ConfigurationError(
            f"rerank= takes a reranker, or Rerank(reranker, columns=...), not {type(given.reranker).__name__}: see the protocol "
            "pgvec.rerankers.Reranker"
        )
    if shaping.score is not None or shaping.order_by is not None:
        raise InvalidOptionError("rerank=, score= and order_by= all say what comes first: give one of them")
    if after is not None:
        raise InvalidOptionError("after= goes on by distance, which is not the order of a reranker: use offset=")
    if not isinstance(given.separator, str):
        raise InvalidOptionError(f"separator= takes a text, not {given.separator!r:.60}")
    limit = checks.whole_number("limit", limit, 1, _MOST_CANDIDATES)
    offset = checks.whole_number("offset", offset, 0, _MOST_CANDIDATES - limit)
    pool = max(_CANDIDATES, limit + offset) if shaping.candidates is None else shaping.candidates
    asked = Reordering(
        reranker=given.reranker,
        query=_query(target, query, given),
        columns=_columns(target, given.columns),
        separator=given.separator,
        candidates=checks.whole_number("candidates", pool, limit + offset, _MOST_CANDIDATES),
        limit=limit,
        offset=offset,
    )
    return asked, replace(shaping, candidates=None)


def ask(asked: Reordering, pool: Pool) -> Matches[Any]:
    """Ask the model, and return the matches in its order."""
    if inspect.iscoroutinefunction(asked.reranker.rerank):
        raise ConfigurationError(
            f"{type(asked.reranker).__name__} answers asynchronously, so it belongs to an AsyncRepository; for this one there is "
            "HttpReranker, or CrossEncoderReranker"
        )
    texts = asked.texts(pool)
    some = [text for text in texts if text]
    return asked.applied(pool, texts, asked.reranker.rerank(asked.query, some) if some else ())


async def ask_async(asked: Reordering, pool: Pool) -> Matches[Any]:
    """Ask the model, in a thread where it does not answer asynchronously, and return the matches in its order."""
    texts = asked.texts(pool)
    some = [text for text in texts if text]
    scores: object = ()
    if some and inspect.iscoroutinefunction(asked.reranker.rerank):
        scores = await asked.reranker.rerank(asked.query, some)
    elif some:
        scores = await asyncio.to_thread(asked.reranker.rerank, asked.query, some)
    return asked.applied(pool, texts, scores)


def _query(target: Target, query: object, given: Rerank) -> str:
    text = given.query
    if text is None and isinstance(query, str) and not arguments.is_vector_text(target, query):
        text = query
    if text is None:
        raise InvalidInputError(
            "The query is no text, so a reranker cannot read it: say what it shall look for, Rerank(reranker, query=...)"
        )
    return check_pairs(text, ())[0]


def _columns(target: Target, columns: object) -> tuple[Any, ...]:
    given = tuple(columns) if isinstance(columns, tuple | list) else (columns,)
    given = given or target.column.source
    if not given:
        raise InvalidOptionError(
            f"Which texts of {target.name} shall the reranker read? Name them, Rerank(reranker, columns=(...)), or declare what "
            "the embedding is made from, Embedding(..., source=(...))"
        )
    return tuple(_text_column(target, item) for item in given)


def _text_column(target: Target, item: object) -> Any:
    value = named_value(target, item, "columns").element
    if isinstance(value.type, sa.JSON):
        # What is within a document as text, without the quotation marks of JSON.
        is_path = isinstance(value, sa.BinaryExpression)
        return value.as_string() if is_path else sa.cast(value, sa.Text())
    if not isinstance(value.type, sa.String) or isinstance(value.type, sa.Enum):
        return sa.cast(value, sa.Text())
    # An attribute of the record itself comes with it; an equal column would be read apart.
    if isinstance(item, str) and "." not in item:
        return attributes(target, (item,))[0]
    return item if isinstance(item, sa.orm.InstrumentedAttribute) and isinstance(value, sa.Column) else value
