"""The evaluation of chunkers, on a document whose answers are known."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.eval import chunking
from benchmarks.eval.chunking import best_recall, chunking_table, measure_chunkers, span_scores, union
from pgvec.model import InputKind, InputRole

pytest.importorskip("semantic_text_splitter")


class CountingEmbedder:
    """Embeds and counts words."""

    name, revision, dimensions, kinds, max_length = "words", "1", 384, frozenset({InputKind.TEXT}), 256

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        vectors = np.zeros((len(inputs), 384), dtype=np.float32)
        for vector, text in zip(vectors, inputs, strict=True):
            for word in re.findall(r"\w+", str(text).lower()):
                vector[zlib.crc32(word.encode()) % 384] += 1
        return vectors

    def token_counts(self, inputs: Sequence[object]) -> NDArray[np.int64]:
        return np.array([len(str(text).split()) for text in inputs])


def test_spans_are_scored_in_characters() -> None:
    """Recall and precision count the characters that two lists of spans share, document by document."""
    assert span_scores([("a", 0, 10), ("b", 0, 10)], [("a", 5, 15)]) == (0.5, 0.25)
    assert union([("b", 5, 9), ("a", 4, 8), ("a", 0, 5), ("b", 9, 12)]) == [("a", 0, 8), ("b", 5, 12)]
    assert span_scores([], [("a", 0, 4)]) == (0.0, 0.0)
    assert span_scores([("a", 0, 100)], [("a", 10, 20), ("a", 30, 40)]) == (1.0, 0.2)


def test_every_chunker_is_measured(empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all chunks are found, recall is 1; precision is what the answer has of the document."""
    monkeypatch.setattr(chunking, "default_embedder", CountingEmbedder)
    text = "The harbour opens at noon. Nobody knows why it is so. \U0001f600 Trains leave at nine."
    start = text.index("Trains")
    folder = tmp_path / chunking.COLLECTION
    folder.mkdir()
    reference = {"content": text[start:], "start_index": start, "end_index": len(text)}
    files = {
        "documents": {"_id": "town", "text": text},
        "questions": {"question": "When do trains leave?", "doc_id": "town", "references": [reference]},
    }
    for name, line in files.items():
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    scores = measure_chunkers(tmp_path, empty_database_url, tmp_path / "cache")
    assert len(scores) == len(chunking.CHUNKERS) * 4
    assert {score.recall for score in scores} == {1.0}
    assert best_recall(scores) == 1.0
    assert scores[0].precision == pytest.approx((len(text) - start) / len(text))
    assert "| text, 256 tokens | 1 | hybrid | 1.000 |" in chunking_table(scores)
