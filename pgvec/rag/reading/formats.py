"""Which files are read, and as what: by the suffix of the name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType

__all__ = ["FORMATS", "MARKDOWN", "format_of"]

_SUFFIXES = {
    "text": ".txt .text",
    "markdown": ".md .markdown",
    "rst": ".rst",
    "html": ".html .htm .xhtml",
    "pdf": ".pdf",
    "docx": ".docx",
    "csv": ".csv .tsv",
    "code": (
        ".py .pyi .js .mjs .jsx .ts .tsx .java .c .h .cc .cpp .hpp .cs .go .rs .rb .php .swift .kt .scala .sh .sql .lua .r .jl .pl "
        ".ex .hs .ml .toml .yaml .yml .json .ini .cfg .css .xml"
    ),
}

FORMATS: Mapping[str, str] = MappingProxyType(
    {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
)
"""Suffix to format."""

MARKDOWN = frozenset({"markdown", "html", "docx"})
"""Formats whose text is Markdown: that of HTML and DOCX is turned into it."""


def format_of(name: str) -> str | None:
    """Return what a file is read as, or None where nothing reads it."""
    return FORMATS.get(PurePath(name).suffix.lower())
