"""The measures that judge rankings, and the texts that they are timed on."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import pytest

from benchmarks.eval.collections import Document, read_collection
from benchmarks.eval.measures import mean_ndcg, mean_recall
from benchmarks.keyword.texts import Passages


def test_ndcg_is_that_of_the_definition() -> None:
    """A relevant text gains 1 / log2(place + 1), over what the best order would gain."""
    assert mean_ndcg([["a", "b", "c"]], [{"a", "b"}]) == pytest.approx(1.0)
    expected = (1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    assert mean_ndcg([["a", "x", "b"]], [{"a", "b"}]) == pytest.approx(expected)
    assert mean_ndcg([["x"], ["a"]], [{"a"}, {"a"}]) == pytest.approx(0.5)
    assert mean_ndcg([["x", "a"]], [{"a"}], limit=1) == 0


def test_recall_counts_what_was_found() -> None:
    """The share of the relevant texts among the first ones."""
    assert mean_recall([["a", "x", "b"]], [{"a", "b", "c", "d"}]) == pytest.approx(0.5)
    assert mean_recall([["a", "x", "b"]], [{"a", "b"}], limit=2) == pytest.approx(0.5)


def test_a_collection_is_read_with_the_queries_of_its_test_split(tmp_path: Path) -> None:
    """Queries without judgements or of another split are left out; a missing folder is told."""
    place = tmp_path / "scifact"
    place.mkdir()
    for name, lines in {
        "corpus": [{"_id": "1", "title": "T", "text": "a"}, {"_id": "2", "text": "b"}],
        "queries": [{"_id": "q", "text": "one"}, {"_id": "r", "text": "two"}],
    }.items():
        with gzip.open(place / f"{name}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    (place / "qrels.tsv").write_text("query_id\tdoc_id\tscore\tsplit\nq\t1\t1\ttest\nr\t2\t1\ttrain\nq\t2\t0\ttest\n")
    read = read_collection(tmp_path, "scifact")
    assert read.documents == [Document("1", "T", "a"), Document("2", "", "b")]
    assert [document.whole for document in read.documents] == ["T a", "b"]
    assert (read.queries, read.relevant) == (["one"], [{"1"}])
    with pytest.raises(FileNotFoundError, match="npl-vaswani"):
        read_collection(tmp_path, "npl-vaswani")


def test_passages_are_the_same_for_the_same_seed() -> None:
    """Rows and queries come from the seed; words are words to Postgres."""
    first, again = list(Passages(50).texts()), list(Passages(50).texts())
    assert first == again
    assert [number for number, _, _ in first] == list(range(50))
    assert all(len(title.split()) == 6 and 34 <= len(body.split()) <= 94 for _, title, body in first)
    queries = Passages(50).queries(5)
    assert queries == Passages(50).queries(5)
    assert all(1 <= len(query.split()) <= 5 for query in queries)
