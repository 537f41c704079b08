"""``python -m benchmarks.eval --data DIR``: nDCG@10 and recall@100 of vectors, words and both, recall of chunks, and R@5 across texts and pictures; writes ``results/eval.json``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import sqlalchemy as sa
from numpy.typing import NDArray

from benchmarks.cross_modal.measure import cross_modal
from benchmarks.environment import describe_environment
from benchmarks.eval.chunking import COLLECTION as CHUNKING
from benchmarks.eval.chunking import best_recall, chunking_table, measure_chunkers
from benchmarks.eval.collections import COLLECTIONS, Collection, read_collection
from benchmarks.eval.embeddings import embedded
from benchmarks.eval.measures import mean_ndcg, mean_recall
from benchmarks.eval.reference import reference_rankings
from benchmarks.report import RESULTS
from benchmarks.server import fresh_database
from pgvec import Matches, Repository
from pgvec.embedders import default_embedder
from pgvec.execution import migrate
from pgvec.execution.url import engine_url
from pgvec.model import InputRole
from pgvec.orm import Embedding, HnswIndex, KeywordIndex

LIMIT = 100
METHODS = ("dense", "bm25", "bm25_reference", "hybrid", "hybrid_tuned")


def main() -> None:
    """Measure every collection, print a table, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eval", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help=f"folder with {', '.join((*COLLECTIONS, CHUNKING))}"
    )
    parser.add_argument("--cache", type=Path, default=RESULTS / "cache", help="folder for embeddings")
    parser.add_argument("--url", help="a server to measure on (PGVEC_BENCH_URL); else an embedded one")
    arguments = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    recalls: dict[str, dict[str, float]] = {}
    about: dict[str, Any] = {}
    for name in COLLECTIONS:
        collection = read_collection(arguments.data, name)
        with fresh_database(arguments.url or os.environ.get("PGVEC_BENCH_URL")) as conninfo:
            results[name], recalls[name] = _measure(collection, conninfo, arguments.cache)
            about = describe_environment(conninfo)
    with fresh_database(arguments.url or os.environ.get("PGVEC_BENCH_URL")) as conninfo:
        chunking = measure_chunkers(arguments.data, conninfo, arguments.cache)
    judged = {**results, CHUNKING: {"span_recall10": best_recall(chunking)}}
    judged["cross-modal"] = _cross_modal(arguments.url or os.environ.get("PGVEC_BENCH_URL"))
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "eval.json").write_text(json.dumps(judged, indent=2) + "\n")
    text = _markdown(judged, recalls, about) + "\n" + chunking_table(chunking)
    (RESULTS / "eval.md").write_text(text)
    sys.stdout.write(text)


def _cross_modal(url: str | None) -> dict[str, float]:
    """Train a small model of pictures and texts, and search with it."""
    with fresh_database(url) as conninfo, tempfile.TemporaryDirectory() as folder:
        migrate.up(conninfo)
        engine = sa.create_engine(engine_url(conninfo))
        figures = cross_modal(engine, Path(folder))
        engine.dispose()
    return figures


def _table(dimensions: int) -> sa.Table:
    return sa.Table(
        "document",
        sa.MetaData(),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("title", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("embedding", Embedding(dimensions, distance="cosine")),
        HnswIndex("embedding"),
        KeywordIndex("title", "text"),
    )


def _measure(collection: Collection, conninfo: str, cache: Path) -> tuple[dict[str, float], dict[str, float]]:
    embedder = default_embedder()
    texts = [document.whole for document in collection.documents]
    vectors = embedded(cache, embedder, collection.name, texts)
    asked = embedded(cache, embedder, collection.name, collection.queries, InputRole.QUERY)
    migrate.up(conninfo)
    table = _table(embedder.dimensions)
    engine = sa.create_engine(engine_url(conninfo))
    with engine.begin() as connection:
        table.create(connection)
        rows = (
            (document.id, document.title, document.text, vector)
            for document, vector in zip(collection.documents, vectors, strict=True)
        )
        Repository(connection, table).bulk_load(rows, columns=("id", "title", "text", "embedding"))
    with engine.begin() as connection:
        repository: Repository[Any] = Repository(connection, table)
        rankings = _rankings(repository, collection.queries, asked)
        report = repository.tune_fusion(collection.queries, collection.relevant, vectors=list(asked))
        tuned = _ranked(
            lambda text, vector: repository.hybrid_search(text, vector=vector, limit=LIMIT, columns=("id",)),
            collection.queries,
            asked,
        )
    with psycopg.connect(conninfo) as plain:
        rankings["bm25_reference"] = reference_rankings(plain, collection.documents, collection.queries, LIMIT)
    engine.dispose()
    ndcg = {name: mean_ndcg(ranking, collection.relevant) for name, ranking in rankings.items()}
    recall = {name: mean_recall(ranking, collection.relevant) for name, ranking in rankings.items()}
    # By cross-validation: no query is judged with a weight that it helped to choose. Where that promises nothing, the default stays.
    ndcg["hybrid_tuned"] = report.tuned_ndcg if report.improves else ndcg["hybrid"]
    recall["hybrid_tuned"] = mean_recall(tuned, collection.relevant)
    sys.stderr.write(f"{collection.name}: fitted weight of the vectors {report.weight:.3f}\n")
    return {name: ndcg[name] for name in METHODS}, {name: recall[name] for name in METHODS}


def _rankings(
    repository: Repository[Any], queries: Sequence[str], vectors: NDArray[np.float32]
) -> dict[str, list[list[str]]]:
    searches: dict[str, Callable[[str, Any], Matches[Any]]] = {
        "dense": lambda _, vector: repository.search(vector, limit=LIMIT, exact=True, columns=("id",)),
        "bm25": lambda text, _: repository.keyword_search(text, limit=LIMIT, columns=("id",)),
        "hybrid": lambda text, vector: repository.hybrid_search(text, vector=vector, limit=LIMIT, columns=("id",)),
    }
    return {name: _ranked(search, queries, vectors) for name, search in searches.items()}


def _ranked(
    search: Callable[[str, Any], Matches[Any]], queries: Sequence[str], vectors: NDArray[np.float32]
) -> list[list[str]]:
    return [[match.record[0] for match in search(text, vector)] for text, vector in zip(queries, vectors, strict=True)]


def _markdown(results: dict[str, dict[str, float]], recalls: dict[str, dict[str, float]], about: dict[str, Any]) -> str:
    lines = ["| collection | measure | " + " | ".join(METHODS) + " |", "|---|---|" + "---|" * len(METHODS)]
    for name, recall in recalls.items():
        for measure, row in (("nDCG@10", results[name]), ("recall@100", recall)):
            lines.append(f"| {name} | {measure} | " + " | ".join(f"{row[method]:.4f}" for method in METHODS) + " |")
    found = ", ".join(f"{name} {figure:.4f}" for name, figure in results["cross-modal"].items())
    lines += ["", f"cross-modal, on combinations held out from training: {found}"]
    versions = about["versions"]
    lines += ["", f"{about['measured_at']}, PostgreSQL {versions['postgresql']}, pgvector {versions['pgvector']}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
