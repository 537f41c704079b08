"""Pictures and sounds are embedded by real models of tiny size, and found by texts, pictures and sounds."""

from __future__ import annotations

import importlib.util
import io
import random
import socket
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from fix_repository import World
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pgvec import Audio, Image
from pgvec.embedders import AudioEmbedder, ImageEmbedder, InputKind, MultimodalEmbedder, SentenceTransformerEmbedder
from pgvec.errors import ConfigurationError, InvalidInputError
from pgvec.orm import Embedding

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None or importlib.util.find_spec("PIL") is None,
    reason="needs the extras 'local' and 'media'",
)


class Base(DeclarativeBase):
    pass


class Picture(Base):
    __tablename__ = "picture"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[Any | None] = mapped_column(Embedding(48, distance="cosine"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dual encoder that was never trained: enough to see that every input reaches the model whole."""
    from benchmarks.cross_modal.encoder import train_encoder

    return train_encoder(tmp_path_factory.mktemp("clip"), [], steps=0)


def scenes(count: int) -> list[Any]:
    from benchmarks.cross_modal.pictures import split_scenes

    return [scene.picture(random.Random(n)) for n, scene in enumerate(split_scenes()[0][:count])]


async def test_pictures_are_found_by_pictures_and_by_texts(world: World, clip: Path) -> None:
    """Text -> picture and picture -> picture give the order of NumPy, in one statement, also by examples and in batches."""
    embedder = MultimodalEmbedder(clip, device="cpu")
    pictures = scenes(40)
    vectors = embedder.embed(pictures)
    await world.create_all(Base)
    repository = world.repository(Picture, embedder=embedder)
    await repository.bulk_load([{"id": n, "embedding": vector} for n, vector in enumerate(vectors, 1)])
    file = io.BytesIO()
    pictures[7].save(file, "PNG")
    text = "a small red circle at the top left"
    queries = [pictures[3], Image(file.getvalue()), Image(np.asarray(pictures[11])), text]
    asked = embedder.embed(queries)
    expected = [(np.argsort(-(vectors @ vector))[:5] + 1).tolist() for vector in asked]
    assert [order[0] for order in expected[:3]] == [4, 8, 12]
    await repository.search(text)  # learns about the table
    for query, order in zip(queries, expected, strict=True):
        found = await repository.search(query, limit=5)
        assert [match.record.id for match in found] == order
        assert found.receipt.statements == 1
    together = await repository.search_many(queries, limit=5)
    assert [[match.record.id for match in found] for found in together] == expected
    liked = await repository.recommend(positive=[queries[1], Image(pictures[3])], limit=40)
    centre = asked[1] + asked[0]
    assert liked[0].record.id == int(np.argmax(vectors @ centre)) + 1
    varied = await repository.search(queries[1], limit=5, diversity=0.7)
    assert varied[0].record.id == 8
    assert [match.record.id for match in varied] != expected[1]
    with pytest.raises(ConfigurationError, match="no embedder"):
        await world.repository(Picture).search(queries[1])
    with pytest.raises(ConfigurationError, match="takes no text"):
        await world.repository(Picture, embedder=ImageEmbedder(clip, device="cpu")).search(text)
    with pytest.raises(InvalidInputError, match="no picture"):
        await repository.search(Image(b"nonsense"))


def test_kinds_may_be_mixed_and_texts_stay_texts(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mixed inputs keep their order; a text that looks like a path or an address of a picture is neither opened nor fetched."""

    def refuse(*arguments: object) -> NoReturn:
        raise AssertionError(f"the network was used: {arguments}")

    embedder = MultimodalEmbedder(clip, device="cpu", batch_size=2).load()
    assert embedder.kinds == {InputKind.TEXT, InputKind.IMAGE}
    assert embedder.sampling_rate is None
    one, two, three = scenes(3)
    one.save(tmp_path / "red.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    mixed = embedder.embed(["a red circle", one, "a blue square", Image("red.png"), two, three])
    pictures = ImageEmbedder(clip, device="cpu").embed(["red.png", two, np.asarray(three)])
    np.testing.assert_allclose(mixed[[1, 3, 4, 5]], pictures[[0, 0, 1, 2]], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(mixed, axis=1), 1, atol=1e-5)
    hostile = ["red.png", "https://pictures.example/red.png", "data:image/png;base64,AAAA"]
    for texts in (embedder, SentenceTransformerEmbedder(clip, device="cpu")):
        np.testing.assert_allclose(texts.embed(["a red circle", *hostile])[0], mixed[0], atol=1e-5)
        assert np.abs(texts.embed(hostile[:1]) - pictures[0]).max() > 0.01
    bad: list[tuple[list[object], int]] = [
        (["fine", b"bytes"], 2),
        ([one, " "], 2),
        ([Audio(np.zeros(9), 8_000)], 1),
        ([one, Image(b"x")], 2),
    ]
    for inputs, position in bad:
        with pytest.raises(InvalidInputError) as caught:
            embedder.embed(inputs)
        assert caught.value.position == position
    with pytest.raises(InvalidInputError, match="came alone"):
        embedder.embed("a red circle")
    with pytest.raises(ConfigurationError, match="takes text and image, not audio"):
        AudioEmbedder(clip, device="cpu").embed([Audio(np.zeros(9), 8_000)])


def test_sounds_and_texts_share_a_space(tmp_path: Path) -> None:
    """A model of sounds tells its sampling rate, takes sounds and texts, and refuses what is no sound."""
    from support.tiny_clap import RATE, make_clap

    folder = make_clap(tmp_path / "clap")
    both = MultimodalEmbedder(folder, device="cpu")
    assert (both.kinds, both.sampling_rate) == ({InputKind.TEXT, InputKind.AUDIO}, RATE)
    tones = [Audio(np.sin(np.arange(RATE) * pitch).astype(np.float32), RATE) for pitch in (0.05, 0.3, 1.1)]
    vectors = both.embed([*tones, "a red circle"])
    assert vectors.shape == (4, 24)
    alone = AudioEmbedder(folder, device="cpu").embed(tones)
    np.testing.assert_allclose(alone, vectors[:3], atol=1e-4)
    assert np.argmax(vectors[:3] @ alone.T, axis=1).tolist() == [0, 1, 2]
    with pytest.raises(InvalidInputError, match="samples a second"):
        both.embed([Audio(np.zeros(99), 44_100)])
    with pytest.raises(InvalidInputError, match=r"wrap samples in pgvec\.Audio"):
        AudioEmbedder(folder, device="cpu").embed([np.zeros(99)])


@pytest.mark.full
def test_a_trained_model_finds_what_it_never_saw(engine: Any, tmp_path: Path) -> None:
    """On 520 held-out combinations R@5 is 0.8 both ways after a minute of training, and far from it without."""
    from benchmarks.cross_modal.measure import cross_modal
    from benchmarks.cross_modal.pictures import split_scenes

    known, held_out = split_scenes()
    assert not set(known) & set(held_out)
    assert len(held_out) >= 500
    trained = cross_modal(engine, tmp_path / "trained", steps=400)
    assert min(trained.values()) >= 0.8, trained
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE scene")
    untrained = cross_modal(engine, tmp_path / "untrained", steps=0)
    assert max(untrained.values()) < 0.1, untrained
