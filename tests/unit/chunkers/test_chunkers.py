"""Chunks of every kind of document stand where they say, and lose nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import tree_sitter_python
from hypothesis import given
from hypothesis import strategies as st

from pgvec.chunkers import Chunk, Chunker, CodeChunker, MarkdownChunker, SentenceChunker, TextChunker
from pgvec.errors import InvalidInputError, InvalidOptionError

# What breaks offsets, sentences and blocks: characters of 1 to 4 bytes, joined and combining ones, every sort of line end.
PIECES = [
    *"aZé1 .!?'\"()#*-`>|_:",
    *("word", "Dr", " e.g. ", "\n", "\n\n", "\r\n", "\t", "\x00", "\x1c", "\x85", "\xa0", "\u2028", "\u3000"),
    *(
        "。",
        "”",
        "e\u0301",
        "👩‍👩‍👧",
        "🇩🇪",
        "\u200d",
        "日本語",
        "ไทย",
        "עברית",
        "# Title\n",
        "```\n",
        "- item\n",
        "def f():\n    ",
    ),
]
documents = st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=200)


def words(text: str) -> int:
    return len(text.split())


SPLITTERS: list[Callable[..., Chunker]] = [
    TextChunker,
    MarkdownChunker,
    lambda *size, **options: CodeChunker(tree_sitter_python.language(), *size, **options),
]


def check(text: str, chunks: list[Chunk]) -> None:
    """Every chunk is what stands at its offsets, they go forward, and what is in none of them is blank."""
    end = 0
    for position, chunk in enumerate(chunks):
        assert chunk.position == position
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip()
        assert chunk.end > end
        assert not text[end : chunk.start].strip()
        end = chunk.end
    assert not text[end:].strip()


@pytest.mark.parametrize("splitter", SPLITTERS, ids=["text", "markdown", "code"])
@given(text=documents, size=st.integers(1, 60), data=st.data())
def test_chunks_of_characters_stand_where_they_say(
    splitter: Callable[..., Chunker], text: str, size: int, data: st.DataObject
) -> None:
    """No chunk is longer than asked for, or differs from the text at its offsets; only white space is left out."""
    overlap = data.draw(st.integers(0, size - 1))
    chunks = splitter(size, overlap=overlap).chunk(text)
    check(text, chunks)
    assert all(len(chunk.text) <= size for chunk in chunks)
    assert all(before.end - after.start <= overlap for before, after in pairwise(chunks))


@pytest.mark.parametrize("splitter", SPLITTERS, ids=["text", "markdown", "code"])
@given(text=documents, size=st.integers(1, 8), data=st.data())
def test_chunks_of_tokens_stand_where_they_say(
    splitter: Callable[..., Chunker], text: str, size: int, data: st.DataObject
) -> None:
    """The same holds where a function counts."""
    chunks = splitter(size, overlap=data.draw(st.integers(0, size - 1)), tokens=words).chunk(text)
    check(text, chunks)
    assert all(words(chunk.text) <= size for chunk in chunks)


@given(text=documents, size=st.integers(1, 4), language=st.sampled_from(["en", "de", "ja", "th", "xx"]), data=st.data())
def test_chunks_of_sentences_stand_where_they_say(text: str, size: int, language: str, data: st.DataObject) -> None:
    """The same holds for sentences, and each begins as many sentences before the end of the last as was asked for."""
    overlap = data.draw(st.integers(0, size - 1))
    single = SentenceChunker(1, language=language).chunk(text)
    check(text, single)
    chunks = SentenceChunker(size, overlap=overlap, language=language).chunk(text)
    check(text, chunks)
    starts, ends = [part.start for part in single], [part.end for part in single]
    for before, after in pairwise(chunks):
        assert ends.index(before.end) - starts.index(after.start) + 1 == overlap


def test_text_is_cut_at_paragraphs_before_sentences() -> None:
    """The largest units that fit make a chunk."""
    text = "One here. Two here.\n\nThree here.\n\nFour is a sentence. Five is one."
    assert [chunk.text for chunk in TextChunker(35).chunk(text)] == [
        "One here. Two here.\n\nThree here.",
        "Four is a sentence. Five is one.",
    ]
    assert [chunk.text for chunk in TextChunker(20).chunk(text)][-2:] == ["Four is a sentence.", "Five is one."]


def test_markdown_is_cut_at_headings() -> None:
    """A section that does not fit beside the one before begins a chunk."""
    text = "# Rates\n\nThey rose.\n\n# Growth\n\nIt slowed down.\n\n# Jobs\n\nFewer."
    assert [chunk.text for chunk in MarkdownChunker(40).chunk(text)] == [
        "# Rates\n\nThey rose.",
        "# Growth\n\nIt slowed down.",
        "# Jobs\n\nFewer.",
    ]


def test_code_is_cut_at_functions() -> None:
    """A function stays whole where it fits."""
    text = "def first():\n    return 1\n\n\ndef second():\n    return 2\n"
    chunks = CodeChunker(tree_sitter_python.language(), 40).chunk(text)
    assert [chunk.text for chunk in chunks] == ["def first():\n    return 1", "def second():\n    return 2"]


def test_sentences_know_abbreviations() -> None:
    """Abbreviations, numbers and quotations end no sentence."""
    text = 'Dr. Smith paid 3.14 dollars. He said "No. Never." to her.\n\nThen he left'
    assert [chunk.text for chunk in SentenceChunker(1).chunk(text)] == [
        "Dr. Smith paid 3.14 dollars.",
        'He said "No. Never." to her.',
        "Then he left",
    ]


def test_sentences_overlap_by_whole_sentences() -> None:
    """The last chunk ends with the document, and none only repeats the one before."""
    text = "A first. A second. A third. A fourth. A fifth."
    assert [chunk.text for chunk in SentenceChunker(3, overlap=1).chunk(text)] == [
        "A first. A second. A third.",
        "A third. A fourth. A fifth.",
    ]


@pytest.mark.parametrize("chunker", [TextChunker(10), MarkdownChunker(10), SentenceChunker(2)], ids=repr)
class TestDocuments:
    def test_a_chunker_is_one(self, chunker: Chunker) -> None:
        """All of them keep the protocol."""
        assert isinstance(chunker, Chunker)

    @pytest.mark.parametrize("text", ["", " \n\t \r\n"])
    def test_a_blank_document_has_no_chunks(self, chunker: Chunker, text: str) -> None:
        """Nothing comes of nothing."""
        assert chunker.chunk(text) == []

    @pytest.mark.parametrize("value", [None, b"bytes", 3])
    def test_something_else_than_a_text_is_refused(self, chunker: Chunker, value: object) -> None:
        """Bytes are to be decoded by who knows how."""
        with pytest.raises(InvalidInputError, match="not a text"):
            chunker.chunk(value)  # type: ignore[arg-type]

    def test_a_lone_surrogate_is_refused(self, chunker: Chunker) -> None:
        """The error says where it stands."""
        with pytest.raises(InvalidInputError, match="at character 3"):
            chunker.chunk("one\ud800two")


@pytest.mark.parametrize("size", [0, -1, 1.5, "9", True, 2**40])
@pytest.mark.parametrize("kind", [TextChunker, MarkdownChunker, SentenceChunker])
def test_a_size_out_of_range_is_refused(kind: Callable[..., Chunker], size: object) -> None:
    """A size is a whole number of at least 1."""
    with pytest.raises(InvalidOptionError, match="size is"):
        kind(size)


@pytest.mark.parametrize("overlap", [-1, 5, 6, 0.5, None])
@pytest.mark.parametrize("kind", [TextChunker, MarkdownChunker, SentenceChunker])
def test_an_overlap_out_of_range_is_refused(kind: Callable[..., Chunker], overlap: object) -> None:
    """Chunks that overlap as a whole would never end."""
    with pytest.raises(InvalidOptionError, match="overlap is"):
        kind(5, overlap=overlap)


@pytest.mark.parametrize("language", ["", "english!", "EN", None, "../en"])
def test_what_is_no_language_is_refused(language: object) -> None:
    """A code has two or three letters."""
    with pytest.raises(InvalidOptionError, match="language is"):
        SentenceChunker(language=language)  # type: ignore[arg-type]


@pytest.mark.parametrize("grammar", ["python", object(), None])
def test_what_is_no_grammar_is_refused(grammar: object) -> None:
    """The error says where grammars come from."""
    with pytest.raises(InvalidOptionError, match="tree-sitter-python"):
        CodeChunker(grammar)
