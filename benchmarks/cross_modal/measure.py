"""How often the right picture is among the first five for a text, and the right text for a picture, through the database."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.cross_modal.encoder import train_encoder
from benchmarks.cross_modal.pictures import Scene, split_scenes
from pgvec import Repository
from pgvec.embedders import MultimodalEmbedder
from pgvec.orm import Embedding

__all__ = ["STEPS", "cross_modal", "recall_at_5"]

STEPS = 600


def cross_modal(engine: sa.Engine, folder: Path, *, steps: int = STEPS) -> dict[str, float]:
    """Train on some combinations, load the model as users do, and search pictures and captions of all others.

    Args:
        engine: Of an empty database with the extension.
        folder: Where the model is written.
        steps: Batches to learn; 0 measures an untrained model.
    """
    known, held_out = split_scenes()
    embedder = MultimodalEmbedder(train_encoder(folder, known, steps=steps), device="cpu")
    return recall_at_5(engine, embedder, held_out)


def recall_at_5(engine: sa.Engine, embedder: MultimodalEmbedder, scenes: Sequence[Scene]) -> dict[str, float]:
    """Store one picture and one caption of each scene, and ask for each picture by its caption and the other way round."""
    choice = random.Random(99)
    pictures = [scene.picture(choice) for scene in scenes]
    captions = [scene.caption(choice) for scene in scenes]
    table = sa.Table(
        "scene",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("picture", Embedding(embedder.dimensions, distance="cosine")),
        sa.Column("caption", Embedding(embedder.dimensions, distance="cosine")),
    )
    rows = zip(range(len(scenes)), embedder.embed(pictures), embedder.embed(captions), strict=True)
    with engine.begin() as connection:
        table.create(connection)
        Repository(connection, table, column="picture").bulk_load(rows, columns=("id", "picture", "caption"))
        return {
            "text_to_image_r5": _recall(Repository(connection, table, column="picture", embedder=embedder), captions),
            "image_to_text_r5": _recall(Repository(connection, table, column="caption", embedder=embedder), pictures),
        }


def _recall(repository: Repository[Any], queries: Sequence[object]) -> float:
    answers = repository.search_many(queries, limit=5, exact=True, columns=("id",))
    right = [n in {match.record[0] for match in found} for n, found in enumerate(answers)]
    return sum(right) / len(right)
