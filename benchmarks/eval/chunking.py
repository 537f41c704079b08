"""Chunkers side by side: how much of the passages that answer a question is in the chunks that are found for it.

The measures are those of Chroma's technical report on chunking: characters of the reference spans that the chunks cover, as a
share of the reference (recall), and of the chunks (precision).
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import DeclarativeBase, mapped_column

from benchmarks.eval.embeddings import embedded
from pgvec import Embedder, Matches, Repository
from pgvec.chunkers import Chunker, SentenceChunker, TextChunker
from pgvec.embedders import default_embedder
from pgvec.execution import migrate
from pgvec.execution.url import engine_url
from pgvec.model import InputKind, InputRole
from pgvec.orm import Embedding, HnswIndex, KeywordIndex
from pgvec.rag import ChunkMixin, DocumentMixin, ingest

__all__ = [
    "CHUNKERS",
    "COLLECTION",
    "Score",
    "best_recall",
    "chunking_table",
    "measure_chunkers",
    "span_scores",
    "union",
]

COLLECTION = "chunking-eval"
CHUNKERS: dict[str, Callable[[Any], Chunker]] = {
    "text, 256 tokens": lambda embedder: TextChunker(tokens=embedder),
    "text, 256 tokens, overlap 64": lambda embedder: TextChunker(tokens=embedder, overlap=64),
    "text, 128 tokens": lambda embedder: TextChunker(128, tokens=embedder),
    "text, 1,000 characters": lambda _embedder: TextChunker(),
    "sentences, 5": lambda _embedder: SentenceChunker(5),
}
"""What is compared, by name."""

_MOST = 10
Span = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the spans that answer it."""

    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """Means over all questions."""

    chunker: str
    search: str
    limit: int
    recall: float
    precision: float
    chunks: int


class _Base(DeclarativeBase):
    pass


class _Document(DocumentMixin, _Base):
    __tablename__ = "document"


class _Chunk(ChunkMixin, _Base):
    __tablename__ = "chunk"
    document_model = _Document
    embedding = mapped_column(Embedding(384, distance="cosine"))
    __table_args__ = (HnswIndex("embedding"), KeywordIndex("text"))


class _Kept:
    """The default embedder, whose vectors stay in a folder."""

    def __init__(self, embedder: Embedder, cache: Path) -> None:
        self.name, self.revision, self.dimensions = embedder.name, embedder.revision, embedder.dimensions
        self.kinds = frozenset({InputKind.TEXT})
        self._embedder, self._cache = embedder, cache

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        return embedded(self._cache, self._embedder, COLLECTION, [str(text) for text in inputs], role)


def measure_chunkers(data: Path, conninfo: str, cache: Path) -> list[Score]:
    """Ingest the documents once with each chunker, ask all questions, and return the scores."""
    place = data / COLLECTION
    questions = [
        Question(
            line["question"],
            tuple((line["doc_id"], span["start_index"], span["end_index"]) for span in line["references"]),
        )
        for line in _lines(place / "questions.jsonl.gz")
    ]
    embedder = default_embedder()
    kept = _Kept(embedder, cache)
    asked = kept.embed([question.text for question in questions], role=InputRole.QUERY)
    migrate.up(conninfo)
    engine = sa.create_engine(engine_url(conninfo))
    _Base.metadata.create_all(engine)
    scores: list[Score] = []
    with tempfile.TemporaryDirectory(prefix="pgvec-eval-") as folder:
        for line in _lines(place / "documents.jsonl.gz"):
            (Path(folder) / f"{line['_id']}.txt").write_text(line["text"], encoding="utf-8", newline="")
        for name, make in CHUNKERS.items():
            ingest(engine, folder, _Chunk, embedder=kept, chunkers=make(embedder), batch_size=100_000)
            sys.stderr.write(f"{COLLECTION}: {name}\n")
            scores += _scores(name, engine, questions, asked)
    engine.dispose()
    return scores


def best_recall(scores: Sequence[Score]) -> float:
    """Return the best recall of ten chunks."""
    return max(score.recall for score in scores if score.limit == _MOST)


def chunking_table(scores: Sequence[Score]) -> str:
    """Return the scores as a table in Markdown."""
    lines = [
        f"| {COLLECTION} | chunks | search | recall@5 | precision@5 | recall@10 | precision@10 |",
        "|---|---|---|---|---|---|---|",
    ]
    for five, ten in zip(scores[::2], scores[1::2], strict=True):
        figures = (five.recall, five.precision, ten.recall, ten.precision)
        shown = " | ".join(f"{figure:.3f}" for figure in figures)
        lines.append(f"| {five.chunker} | {five.chunks:,} | {five.search} | {shown} |")
    return "\n".join(lines) + "\n"


def union(spans: Sequence[Span]) -> list[Span]:
    """Return the same characters as spans that do not overlap."""
    joined: list[Span] = []
    for document, start, end in sorted(spans):
        if joined and joined[-1][0] == document and start <= joined[-1][2]:
            joined[-1] = (document, joined[-1][1], max(joined[-1][2], end))
        else:
            joined.append((document, start, end))
    return joined


def span_scores(found: Sequence[Span], wanted: Sequence[Span]) -> tuple[float, float]:
    """Return recall and precision of spans, in characters; the found ones do not overlap, nor do the wanted ones."""
    common = sum(
        max(min(one[2], two[2]) - max(one[1], two[1]), 0) for one in found for two in wanted if one[0] == two[0]
    )
    length = sum(end - start for _, start, end in found)
    return common / sum(end - start for _, start, end in wanted), common / length if length else 0.0


def _scores(name: str, engine: sa.Engine, questions: Sequence[Question], asked: NDArray[np.float32]) -> Iterator[Score]:
    document = sa.select(_Document.title).where(_Document.id == _Chunk.document_id).correlate(_Chunk)
    columns = (document.scalar_subquery().label("document"), _Chunk.start_offset, _Chunk.end_offset)
    with engine.connect() as connection:
        chunks = Repository(connection, _Chunk)
        count = chunks.count()
        searches: dict[str, Callable[[str, Any], Matches[Any]]] = {
            "vectors": lambda _text, vector: chunks.search(vector, limit=_MOST, columns=columns),
            "hybrid": lambda text, vector: chunks.hybrid_search(text, vector=vector, limit=_MOST, columns=columns),
        }
        for label, search in searches.items():
            found = [
                [(str(row[0]), int(row[1]), int(row[2])) for row in search(question.text, vector).records]
                for question, vector in zip(questions, asked, strict=True)
            ]
            for limit in (5, _MOST):
                pairs = [
                    span_scores(union(spans[:limit]), question.spans)
                    for spans, question in zip(found, questions, strict=True)
                ]
                recall, precision = (float(mean) for mean in np.mean(pairs, axis=0))
                yield Score(name, label, limit, recall, precision, count)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)
