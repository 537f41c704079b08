"""Cutting documents into chunks, with exact character offsets: text, sentences, Markdown, code."""

from pgvec.chunkers.code import CodeChunker
from pgvec.chunkers.markdown import MarkdownChunker
from pgvec.chunkers.sentences import SentenceChunker
from pgvec.chunkers.text import TextChunker
from pgvec.model import Chunk, Chunker, TokenCounter

__all__ = [
    "Chunk",
    "Chunker",
    "CodeChunker",
    "MarkdownChunker",
    "SentenceChunker",
    "TextChunker",
    "TokenCounter",
]
