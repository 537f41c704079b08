"""The whole standard library as rows to load, and a fingerprint that tells whether it changed."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable

from pgvec.cli.demo.compiled import compiled_modules, read_compiled
from pgvec.cli.demo.docstrings import Docstring, library_folder, module_sources, read_sources

__all__ = ["embedded_text", "library_fingerprint", "read_library", "text_hash"]

# Raise it when the same sources would give other rows.
_READER = "1"


def read_library() -> list[Docstring]:
    """Return what is documented in the standard library, each name once: a source counts before a compiled twin."""
    found: dict[str, Docstring] = {}
    _add(found, read_sources(library_folder()))
    _add(found, read_compiled(compiled_modules()))
    return list(found.values())


def library_fingerprint() -> str:
    """Return a hash that changes with the interpreter, and with any source file of its library."""
    digest = hashlib.sha256(f"{_READER}\n{sys.version}\n{sys.platform}\n".encode())
    for name, path in module_sources(library_folder()):
        status = path.stat()
        digest.update(f"{name}\0{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def embedded_text(docstring: Docstring) -> str:
    """Return what is embedded: the name too, because it says what the docstring takes for granted."""
    return f"{docstring.qualified_name}\n{docstring.text}"


def text_hash(docstring: Docstring) -> str:
    """Return the hash of what is embedded."""
    return hashlib.sha256(embedded_text(docstring).encode()).hexdigest()


def _add(found: dict[str, Docstring], docstrings: Iterable[Docstring]) -> None:
    for docstring in docstrings:
        found.setdefault(docstring.qualified_name, docstring)
