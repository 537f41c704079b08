"""Collections of texts with judged queries, read from a folder."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["COLLECTIONS", "Collection", "Document", "read_collection"]

COLLECTIONS = ("scifact", "npl-vaswani")


@dataclass(frozen=True, slots=True)
class Document:
    """A text to find."""

    id: str
    title: str
    text: str

    @property
    def whole(self) -> str:
        """Title and text, as they are embedded and as the reference indexes them."""
        return f"{self.title} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Collection:
    """Texts, and queries with the ids of the texts that are relevant to them."""

    name: str
    documents: list[Document]
    queries: list[str]
    relevant: list[set[str]]


def read_collection(folder: Path, name: str) -> Collection:
    """Read ``corpus.jsonl.gz``, ``queries.jsonl.gz`` and ``qrels.tsv`` of a collection below ``folder``.

    Where queries have splits, those of the split ``test`` are taken.

    Raises:
        FileNotFoundError: A file is not there; the message says where it was looked for.
    """
    place = folder / name
    if not place.is_dir():
        raise FileNotFoundError(f"{place} does not exist: DATA names the folder that contains {', '.join(COLLECTIONS)}")
    documents = [
        Document(line["_id"], line.get("title") or "", line["text"]) for line in _lines(place / "corpus.jsonl.gz")
    ]
    relevant: dict[str, set[str]] = {}
    with (place / "qrels.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row.get("split", "test") == "test" and float(row["score"]) > 0:
                relevant.setdefault(row["query_id"], set()).add(row["doc_id"])
    queries = {line["_id"]: line["text"] for line in _lines(place / "queries.jsonl.gz") if line["_id"] in relevant}
    return Collection(name, documents, list(queries.values()), [relevant[key] for key in queries])


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
