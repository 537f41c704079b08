"""Where the files of a model come from: a folder, or the Hugging Face hub at one commit."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from pgvec.errors import ConfigurationError, EmbedderUnavailableError, InvalidOptionError, PgvecError
from pgvec.local_models.quiet import quiet

__all__ = ["HubModel", "LocalModel", "ModelSource", "find_model"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_OTHER_RUNTIMES = frozenset({"onnx", "openvino"})
_HUB_FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]


class ModelSource(Protocol):
    """Files of one model, pinned."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def revision(self) -> str:
        """What pins the weights: a commit, or the SHA-256 of the weights."""

    def fetch(self) -> Path:
        """Return a folder whose files have been checked: safetensors weights, no code, the pinned revision."""


def find_model(
    model: str | os.PathLike[str],
    *,
    revision: str | None,
    cache_folder: str | os.PathLike[str] | None,
    local_files_only: bool,
    unavailable: type[PgvecError] = EmbedderUnavailableError,
) -> ModelSource:
    """Read ``model`` as a folder where there is one, else as a name on the hub.

    Args:
        model: A folder, or a name on the hub.
        revision: What pins the weights.
        cache_folder: Where downloads are kept, or None for the hub's own cache.
        local_files_only: Whether never to ask the hub.
        unavailable: The error for a model that cannot be fetched.

    Raises:
        ConfigurationError: The folder is missing or holds what pgvec does not load.
        InvalidOptionError: The name is no name, or the revision pins nothing.
    """
    path = Path(model)
    if os.fspath(model) and path.is_dir():
        return LocalModel(path, _check_revision(revision, _CHECKSUM) if revision is not None else None)
    if not isinstance(model, str) or not _HUB_NAME.fullmatch(model):
        raise ConfigurationError(
            f"There is no folder {os.fspath(model)!r}, and a name on the hub has the form 'organisation/model', "
            "for instance 'sentence-transformers/all-MiniLM-L6-v2'."
        )
    if revision is None or not _COMMIT.fullmatch(revision):
        given = "no revision was given" if revision is None else f"{revision!r} is no full commit hash"
        raise InvalidOptionError(
            f"{model!r} is not a folder here, and to load it from the hub its revision must be pinned, but {given}: a branch or "
            f"tag may point to other weights tomorrow, whose vectors do not fit the stored ones. Pass revision= with the 40 "
            f"hexadecimal digits of a commit, from https://huggingface.co/{model}/commits/main."
        )
    return HubModel(model, revision, cache_folder, local_files_only, unavailable)


def _check_revision(revision: str, form: re.Pattern[str]) -> str:
    if not form.fullmatch(revision):
        raise InvalidOptionError(
            f"revision {revision!r} does not pin a folder: pass the SHA-256 of its weights (64 hexadecimal digits), or leave it "
            "out and read it from .revision of what loads it."
        )
    return revision


@dataclass(frozen=True)
class LocalModel:
    """A folder; ``expected`` is the SHA-256 that its weights must have, or None."""

    folder: Path
    expected: str | None = None

    def __post_init__(self) -> None:
        check_files(self.folder)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    @property
    def revision(self) -> str:
        """The SHA-256 of the weights."""
        return self.expected or self._checksum

    @cached_property
    def _checksum(self) -> str:
        return weights_checksum(self.folder)

    def fetch(self) -> Path:
        """Return the folder, after comparing its weights with the expected checksum."""
        if self.expected is not None and self._checksum != self.expected:
            raise ConfigurationError(
                f"The weights in {self.folder} have the SHA-256 {self._checksum}, not {self.expected}: they are damaged or of "
                "another revision. Install or copy the model again."
            )
        return self.folder


@dataclass(frozen=True)
class HubModel:
    """A model on the Hugging Face hub at one commit, or in the local cache of the hub."""

    name: str
    revision: str
    cache_folder: str | os.PathLike[str] | None = None
    local_files_only: bool = False
    unavailable: type[PgvecError] = EmbedderUnavailableError

    def fetch(self) -> Path:
        """Download what is not cached yet, without pickled weights, and return the folder."""
        hub = importlib.import_module("huggingface_hub")
        try:
            with quiet():
                folder = hub.snapshot_download(
                    self.name,
                    revision=self.revision,
                    cache_dir=self.cache_folder,
                    local_files_only=self.local_files_only,
                    allow_patterns=_HUB_FILES,
                    ignore_patterns=[f"{runtime}/*" for runtime in sorted(_OTHER_RUNTIMES)],
                )
        except (OSError, ValueError) as exc:
            raise self.unavailable(
                f"{self.name} at {self.revision} could not be fetched from the hub: {exc} Check the name, the commit and the "
                "network, or copy the model to this machine and pass the folder."
            ) from exc
        check_files(Path(folder))
        return Path(folder)


def check_files(folder: Path) -> None:
    """Refuse a folder that is no model, brings its own code, or has its weights only as pickles.

    Raises:
        ConfigurationError: What was found, and what to do.
    """
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        raise ConfigurationError(
            f"{folder} holds no model: it has neither modules.json nor config.json. Pass the folder that save_pretrained() wrote."
        )
    for module in _module_types(folder):
        if not module.startswith("sentence_transformers."):
            raise ConfigurationError(
                f"{folder} asks for the class {module!r}, which is code of its publisher: pgvec runs none. Choose a model made of "
                "sentence-transformers' own modules, or write an object of your own around this one."
            )
    files = _files(folder)
    safe = {path.parent for path in files if path.suffix == ".safetensors"}
    pickled = [path for path in files if path.match("pytorch_model*.bin") and path.parent not in safe]
    if pickled or not safe:
        found = (
            f"{pickled[0].relative_to(folder)} without a .safetensors file beside it"
            if pickled
            else "no .safetensors file"
        )
        raise ConfigurationError(
            f"{folder} holds {found}. pgvec loads weights only from safetensors, because loading a pickle can run code: take a "
            "revision that has them, or convert the model once with save_pretrained(folder, safe_serialization=True)."
        )


def _module_types(folder: Path) -> list[str]:
    types: list[str] = []
    try:
        if (folder / "modules.json").is_file():
            types += [str(module["type"]) for module in json.loads((folder / "modules.json").read_bytes())]
        for path in folder.rglob("router_config.json"):
            types += [str(name) for name in json.loads(path.read_bytes())["types"].values()]
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise ConfigurationError(
            f"The list of modules in {folder} cannot be read: {exc!r}. Copy the model again."
        ) from exc
    return types


def _files(folder: Path) -> list[Path]:
    paths = (path for path in folder.rglob("*") if _OTHER_RUNTIMES.isdisjoint(path.relative_to(folder).parts))
    return sorted(path for path in paths if path.is_file())


def weights_checksum(folder: Path) -> str:
    """Return the SHA-256 of the weights: of the file where there is one, else of the names and checksums of all files."""
    checksums = {}
    for path in _files(folder):
        if path.suffix == ".safetensors":
            with path.open("rb") as weights:
                checksums[path.relative_to(folder).as_posix()] = hashlib.file_digest(weights, "sha256").hexdigest()
    if len(checksums) == 1:
        return next(iter(checksums.values()))
    return hashlib.sha256("".join(f"{name} {checksum}\n" for name, checksum in checksums.items()).encode()).hexdigest()
