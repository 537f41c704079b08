"""Embedders of pictures, sounds and texts by any multi-modal model of sentence-transformers, on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pgvec.embedders.batches import split
from pgvec.embedders.checks import check_embeddings, check_role, check_texts
from pgvec.embedders.pictures import read_picture
from pgvec.embedders.sentence_transformer import SentenceTransformerEmbedder
from pgvec.embedders.sounds import read_sound
from pgvec.errors import ConfigurationError, InvalidInputError
from pgvec.model import Audio, Image, InputKind, InputRole, input_kind

__all__ = ["AudioEmbedder", "ImageEmbedder", "MultimodalEmbedder"]


class MultimodalEmbedder(SentenceTransformerEmbedder):
    """Embeds pictures, sounds and texts into one space with a model such as CLIP, SigLIP or CLAP.

    Texts are given as ``str``, pictures as :class:`~pgvec.Image` or pictures of Pillow, sounds as :class:`~pgvec.Audio`; one call
    may mix them. What the model takes is in :attr:`kinds`. A text is never read as the address or the path of a picture. The
    arguments, and what is never loaded, are those of :class:`SentenceTransformerEmbedder`; prompts and ``max_length`` are for the
    texts, and a folder written by transformers itself will do as well.
    """

    @property
    def kinds(self) -> frozenset[InputKind]:
        """What the model takes: texts, pictures, sounds."""
        return frozenset(kind for kind in InputKind if kind.value in self._modalities)

    @property
    def sampling_rate(self) -> int | None:
        """Samples a second that the model takes of a sound; None where it takes none."""
        if InputKind.AUDIO not in self.kinds:
            return None
        processor: Any = self._holder.get().processor
        rate = getattr(getattr(processor, "feature_extractor", processor), "sampling_rate", None)
        if rate is None:
            raise ConfigurationError(f"{self.name} does not say how many samples a second it takes of a sound.")
        return int(rate)

    def embed(self, inputs: Sequence[object], *, role: InputRole = InputRole.DOCUMENT) -> NDArray[np.float32]:
        """Embed each input; files are read batch by batch.

        Args:
            inputs: Texts, pictures and sounds, as :attr:`kinds` says.
            role: Whether they are questions or documents; a model may have a prompt for texts of either.

        Returns:
            Finite values of shape ``(len(inputs), dimensions)``, C-contiguous, in the order of the inputs.

        Raises:
            InvalidInputError: An input is empty, damaged or of a kind that the model does not take; ``position`` says which,
                counted from 1.
            MissingDependencyError: Pillow (for pictures) or soundfile (for files with sound) is not installed.
            EmbedderUnavailableError: The model could not be loaded or run.
            EmbedderResponseError: The model computed something else than finite vectors.
        """
        role = check_role(role)
        if isinstance(inputs, str | bytes) or not isinstance(inputs, Sequence | np.ndarray):
            raise InvalidInputError(
                f"Inputs are embedded as a sequence, but one {type(inputs).__name__} came alone: write [it] instead of it."
            )
        rows: dict[InputKind, list[int]] = {}
        for row, given in enumerate(inputs):
            rows.setdefault(self._kind_of(given, row + 1), []).append(row)
        for row in rows.get(InputKind.TEXT, ()):
            check_texts([inputs[row]], first=row + 1)
        result = np.empty((len(inputs), self.dimensions), dtype=np.float32)
        for kind, places in rows.items():
            if kind is InputKind.TEXT:
                result[places] = super().embed([inputs[row] for row in places], role=role)
                continue
            for batch in split(places, self._rows):
                read = [self._read(kind, inputs[row], row + 1) for row in batch]
                result[batch] = check_embeddings(self._encode(read, role), len(batch), result.shape[1])
        return result

    def _kind_of(self, given: object, position: int) -> InputKind:
        kind = input_kind(given)
        if kind is None:
            raise InvalidInputError(
                f"Input {position} is {type(given).__name__}: wrap pictures in pgvec.Image(...) and sounds in pgvec.Audio(...).",
                position=position,
            )
        if kind not in self.kinds:
            taken = " and ".join(sorted(self.kinds))
            raise InvalidInputError(
                f"Input {position} is of the kind {kind.value}, and {self.name} takes {taken}.", position=position
            )
        return kind

    def _read(self, kind: InputKind, given: object, position: int) -> Any:
        if kind is InputKind.IMAGE:
            return read_picture(given, position)
        rate = self.sampling_rate
        assert rate is not None, "the model takes sounds"
        return {"array": read_sound(given, rate, position), "sampling_rate": rate}


class _MediaEmbedder(MultimodalEmbedder):
    """Embeds one kind of media, which needs no wrapping."""

    _kind: InputKind

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        revision: str | None = None,
        name: str | None = None,
        device: str | None = None,
        normalize: bool = True,
        batch_size: int | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
    ) -> None:
        super().__init__(
            model,
            revision=revision,
            name=name,
            device=device,
            normalize=normalize,
            batch_size=batch_size,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
        )

    @property
    def kinds(self) -> frozenset[InputKind]:
        """The one kind.

        Raises:
            ConfigurationError: The model does not take it.
        """
        if self._kind.value not in self._modalities:
            raise ConfigurationError(f"{self.name} takes {' and '.join(map(str, self._modalities))}, not {self._kind}.")
        return frozenset({self._kind})

    def _kind_of(self, given: object, position: int) -> InputKind:
        media = isinstance(given, Image | Audio) and input_kind(given) is not self._kind
        if media or (isinstance(given, np.ndarray) and self._kind is InputKind.AUDIO):
            wanted = "a picture" if self._kind is InputKind.IMAGE else "a sound: wrap samples in pgvec.Audio(...)"
            raise InvalidInputError(f"Input {position} is {type(given).__name__}, not {wanted}.", position=position)
        return next(iter(self.kinds))


class ImageEmbedder(_MediaEmbedder):
    """Embeds pictures with a model such as CLIP, SigLIP, ViT or DINO.

    A picture is the bytes of a file, its path, a ``PIL.Image.Image``, a NumPy array, or an :class:`~pgvec.Image`. The arguments are
    those of :class:`SentenceTransformerEmbedder` that do not speak of texts.
    """

    _kind = InputKind.IMAGE


class AudioEmbedder(_MediaEmbedder):
    """Embeds sounds with a model such as CLAP, wav2vec 2.0 or Whisper.

    A sound is the bytes of a file, its path, or an :class:`~pgvec.Audio`, which also takes NumPy arrays. The arguments are those of
    :class:`SentenceTransformerEmbedder` that do not speak of texts.
    """

    _kind = InputKind.AUDIO
