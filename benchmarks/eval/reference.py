"""BM25 by the library ``bm25s``, with the stemmer and the stop words of Postgres' configuration ``english``."""

from __future__ import annotations

import re
from collections.abc import Sequence

import psycopg

from benchmarks.eval.collections import Document

__all__ = ["reference_rankings"]

_WORD = re.compile(r"(?u)\b\w\w+\b")


def reference_rankings(
    connection: psycopg.Connection, documents: Sequence[Document], queries: Sequence[str], limit: int
) -> list[list[str]]:
    """Return the ids of the best documents for each query, by BM25 with k1 = 1.2 and b = 0.75."""
    import bm25s  # noqa: PLC0415 - of the extra bench, and slow to import
    import Stemmer  # noqa: PLC0415

    texts = [document.whole for document in documents]
    stop_words = _stop_words(connection, [*texts, *queries])
    stemmer = Stemmer.Stemmer("english")
    index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    tokens = bm25s.tokenize(texts, stopwords=stop_words, stemmer=stemmer, show_progress=False)
    index.index(tokens, show_progress=False)
    asked = bm25s.tokenize(list(queries), stopwords=stop_words, stemmer=stemmer, show_progress=False)
    found, _ = index.retrieve(asked, k=limit, show_progress=False)
    return [[documents[position].id for position in row] for row in found.tolist()]


def _stop_words(connection: psycopg.Connection, texts: Sequence[str]) -> list[str]:
    """The words of the texts of which Postgres keeps nothing."""
    words = sorted({word for text in texts for word in _WORD.findall(text.lower())})
    rows = connection.execute(
        "SELECT w FROM unnest(%s::text[]) AS w WHERE to_tsvector('pg_catalog.english', w) = ''::tsvector", [words]
    ).fetchall()
    return [str(row[0]) for row in rows]
