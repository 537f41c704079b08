"""A model of sounds and texts of transformers' CLAP classes, untrained and tiny."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cross_modal.encoder import new_tokenizer

RATE = 8_000


def make_clap(folder: Path) -> Path:
    """Write the model as transformers does."""
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor

    torch.manual_seed(7)
    tokenizer = new_tokenizer()
    text = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    text |= {"vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    audio = {"hidden_size": 32, "patch_embeds_hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2]}
    audio |= {"num_hidden_layers": 2, "num_mel_bins": 32, "spec_size": 64, "patch_size": 4, "patch_stride": [4, 4]}
    audio |= {"window_size": 4, "projection_dim": 24, "num_classes": 2}
    sounds = ClapFeatureExtractor(
        feature_size=32,
        sampling_rate=RATE,
        hop_length=160,
        max_length_s=1,
        fft_window_size=512,
        frequency_max=4_000,
        truncation="rand_trunc",
    )
    ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=24)).save_pretrained(folder)
    ClapProcessor(feature_extractor=sounds, tokenizer=tokenizer).save_pretrained(folder)
    return folder
