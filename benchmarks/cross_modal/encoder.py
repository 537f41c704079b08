"""A dual encoder of transformers' CLIP classes, small enough to be trained in a minute on one core."""

from __future__ import annotations

import importlib
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cross_modal.pictures import WORDS, Scene

__all__ = ["DIMENSIONS", "new_tokenizer", "train_encoder"]

DIMENSIONS = 48
_MARKS = ["<pad>", "<unk>", "<s>", "</s>"]
_LENGTH = 20
_SIDE = 32
_BATCH = 128
_DRAWN = 4
"""Pictures of each combination, drawn anew."""


def train_encoder(folder: Path, scenes: Sequence[Scene], *, steps: int, seed: int = 7) -> Path:
    """Train on pictures and captions of the scenes, and write model and processor as transformers does.

    Args:
        folder: Where to write.
        scenes: Combinations to learn from.
        steps: Batches to learn; 0 writes the model untrained.
        seed: Of weights, pictures and captions.
    """
    import torch  # noqa: PLC0415 - of the extra local, and slow to import

    torch.manual_seed(seed)
    choice = random.Random(seed)
    model, processor = _new_model()
    if steps:
        drawn = [scene for scene in scenes for _ in range(_DRAWN)]
        pixels = processor.image_processor([scene.picture(choice) for scene in drawn], return_tensors="pt")[
            "pixel_values"
        ]
        _learn(model, processor.tokenizer, drawn, pixels, choice=choice, steps=steps)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _learn(
    model: Any, tokenizer: Any, drawn: Sequence[Scene], pixels: Any, *, choice: random.Random, steps: int
) -> None:
    import torch  # noqa: PLC0415

    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps, pct_start=0.1)
    model.train()
    started = time.process_time()
    for step in range(steps):
        # One picture of each of some combinations, so that no other caption of a batch is right as well.
        rows = [_DRAWN * n + choice.randrange(_DRAWN) for n in choice.sample(range(len(drawn) // _DRAWN), _BATCH)]
        words = tokenizer([drawn[row].caption(choice) for row in rows], padding=True, return_tensors="pt")
        loss = model(
            input_ids=words["input_ids"],
            attention_mask=words["attention_mask"],
            pixel_values=pixels[rows],
            return_loss=True,
        ).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            seconds = time.process_time() - started
            sys.stderr.write(f"step {step + 1} of {steps}: loss {loss.item():.3f}, {seconds:.0f} s of CPU\n")
    model.eval()


def new_tokenizer() -> Any:
    """Return a tokenizer that knows the words of the captions."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: PLC0415

    pad, unknown, start, end = _MARKS
    vocabulary = {word: number for number, word in enumerate([*_MARKS, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(mark, vocabulary[mark]) for mark in (start, end)]
    )
    return _transformers().PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        unk_token=unknown,
        bos_token=start,
        eos_token=end,
        model_max_length=_LENGTH,
    )


def _new_model() -> tuple[Any, Any]:
    library = _transformers()
    tokenizer = new_tokenizer()
    tower = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    marks = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    config = library.CLIPConfig(
        text_config=tower | marks | {"vocab_size": len(tokenizer), "max_position_embeddings": _LENGTH},
        vision_config=tower | {"image_size": _SIDE, "patch_size": 8},
        projection_dim=DIMENSIONS,
    )
    images = library.CLIPImageProcessor(size={"shortest_edge": _SIDE}, crop_size={"height": _SIDE, "width": _SIDE})
    return library.CLIPModel(config), library.CLIPProcessor(image_processor=images, tokenizer=tokenizer)


def _transformers() -> Any:
    """Import the library, which is of the extra local, slow to import and typed in parts."""
    return importlib.import_module("transformers")
