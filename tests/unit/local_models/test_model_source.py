"""Folders and names of models: what is accepted, and what pins it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from pgvec.errors import ConfigurationError, InvalidOptionError
from pgvec.local_models.model_source import HubModel, LocalModel, find_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that look like a model, with three bytes of weights."""
    folder = tmp_path / "tiny-model"
    (folder / "1_Pooling").mkdir(parents=True)
    write_modules(folder, "sentence_transformers.models.Transformer", "sentence_transformers.models.Pooling")
    (folder / "config.json").write_text("{}")
    (folder / "1_Pooling" / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"abc")
    return folder


def write_modules(folder: Path, *types: str) -> None:
    modules = [{"idx": i, "name": str(i), "path": "", "type": name} for i, name in enumerate(types)]
    (folder / "modules.json").write_text(json.dumps(modules))


def find(model: str | Path, revision: str | None = None) -> LocalModel | HubModel:
    found = find_model(model, revision=revision, cache_folder=None, local_files_only=False)
    assert isinstance(found, LocalModel | HubModel)
    return found


def test_a_folder_is_named_and_pinned_by_itself(folder: Path) -> None:
    """A folder gives its name, and the SHA-256 of its weights as revision."""
    found = find(folder)
    assert (found.name, found.revision) == ("tiny-model", hashlib.sha256(b"abc").hexdigest())
    assert found.fetch() == folder


def test_a_folder_may_be_given_as_text(folder: Path) -> None:
    """A folder wins over a name on the hub, whatever its type."""
    assert isinstance(find(str(folder)), LocalModel)


def test_every_file_of_weights_counts_for_the_revision(folder: Path) -> None:
    """With several files of weights, a change in any of them or in their names gives another revision."""
    second = folder / "1_Pooling" / "model.safetensors"
    revisions = {find(folder).revision}
    for content in (b"1", b"2"):
        second.write_bytes(content)
        revisions.add(find(folder).revision)
    second.rename(folder / "second.safetensors")
    revisions.add(find(folder).revision)
    assert len(revisions) == 4


def test_weights_for_other_runtimes_do_not_count(folder: Path) -> None:
    """Files for ONNX or OpenVINO are not loaded, so they change nothing."""
    before = find(folder).revision
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.safetensors").write_bytes(b"other")
    assert find(folder).revision == before


def test_an_expected_checksum_is_verified_when_the_model_is_fetched(folder: Path) -> None:
    """A pinned folder is refused once its weights have changed."""
    pinned = hashlib.sha256(b"abc").hexdigest()
    assert find(folder, pinned).fetch() == folder
    (folder / "model.safetensors").write_bytes(b"abd")
    with pytest.raises(ConfigurationError, match=rf"not {pinned}: they are damaged"):
        find(folder, pinned).fetch()


@pytest.mark.parametrize("revision", ["main", COMMIT, "53AA"])
def test_a_revision_that_cannot_pin_a_folder_is_refused(folder: Path, revision: str) -> None:
    """A folder has no branches and commits: only a checksum pins it."""
    with pytest.raises(InvalidOptionError, match="SHA-256"):
        find(folder, revision)


def test_pickled_weights_alone_are_refused(folder: Path) -> None:
    """A folder whose weights are only a pickle is refused, and the error says how to convert it."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigurationError, match=r"pytorch_model\.bin without .*safe_serialization=True"):
        find(folder)


def test_a_pickle_in_one_module_is_refused(folder: Path) -> None:
    """One module with pickled weights spoils a model whose others are safe."""
    (folder / "1_Pooling" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="1_Pooling"):
        find(folder)


def test_a_pickle_beside_safetensors_is_not_read(folder: Path) -> None:
    """A publisher may keep the old file: the safe one is taken."""
    (folder / "pytorch_model.bin").write_bytes(b"")
    assert find(folder).revision == hashlib.sha256(b"abc").hexdigest()


def test_a_model_without_weights_is_refused(folder: Path) -> None:
    """A folder without any weights is refused before anything is loaded."""
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigurationError, match=r"no \.safetensors file"):
        find(folder)


def test_code_of_the_publisher_is_refused(folder: Path) -> None:
    """A module outside of sentence-transformers would run code that came with the model."""
    write_modules(folder, "custom_code.Transformer")
    with pytest.raises(ConfigurationError, match=r"custom_code\.Transformer"):
        find(folder)


def test_code_of_the_publisher_behind_a_router_is_refused(folder: Path) -> None:
    """A router names classes too."""
    (folder / "router_config.json").write_text(json.dumps({"types": {"query_0": "custom_code.Encoder"}}))
    with pytest.raises(ConfigurationError, match=r"custom_code\.Encoder"):
        find(folder)


@pytest.mark.parametrize("content", ["{", "[1]", '[{"idx": 0}]'])
def test_a_damaged_list_of_modules_is_refused(folder: Path, content: str) -> None:
    """A modules.json that is no list of modules is named as the fault."""
    (folder / "modules.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"cannot be read.*Copy the model again"):
        find(folder)


def test_a_plain_transformers_model_is_accepted(folder: Path) -> None:
    """A folder with config.json and no modules.json is a model too."""
    (folder / "modules.json").unlink()
    assert find(folder).name == "tiny-model"


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """Any other folder is refused."""
    with pytest.raises(ConfigurationError, match="holds no model"):
        find(tmp_path)


@pytest.mark.parametrize("model", ["no/such/folder", "./model", "all-MiniLM-L6-v2", "", "../x/y", Path("some/model")])
def test_neither_a_folder_nor_a_name_is_refused(model: str | Path) -> None:
    """A path that does not exist is not taken for a name on the hub."""
    with pytest.raises(ConfigurationError, match="organisation/model"):
        find(model, COMMIT)


@pytest.mark.parametrize("revision", [None, "main", "v1.0", COMMIT[:7], COMMIT.upper(), COMMIT + "\n"])
def test_a_name_on_the_hub_needs_a_commit(revision: str | None) -> None:
    """Branches, tags and short hashes are refused, and the error says where the commit stands."""
    with pytest.raises(InvalidOptionError, match=r"40 hexadecimal digits.*organisation/model/commits/main"):
        find("organisation/model", revision)


def test_a_pinned_name_on_the_hub_is_accepted() -> None:
    """The name and the commit are what identifies the model; nothing is fetched yet."""
    found = find("organisation/model", COMMIT)
    assert (type(found), found.name, found.revision) == (HubModel, "organisation/model", COMMIT)
