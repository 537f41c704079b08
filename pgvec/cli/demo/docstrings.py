"""The docstrings of the standard library of the Python that runs, read from its sources without importing them."""

from __future__ import annotations

import ast
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

__all__ = ["Docstring", "clean_text", "library_folder", "module_sources", "read_sources"]

_TEST_FOLDERS = frozenset({"test", "tests", "idle_test", "__pycache__", "site-packages"})
_BLOCKS = (ast.If, ast.Try, ast.With, ast.For, ast.While)


@dataclass(frozen=True, slots=True)
class Docstring:
    """A documented object of the standard library.

    Attributes:
        qualified_name: Name with the module, for example ``pathlib.Path.exists``.
        kind: ``module``, ``class``, ``function`` or ``method``; a property is a method.
        module: The module that defines it.
        signature: Its parameters as Python writes them; None for modules and where none is known.
        source_file: File below the folder of the standard library; None for what is compiled into Python.
        text: The docstring.
    """

    qualified_name: str
    kind: str
    module: str
    signature: str | None
    source_file: str | None
    text: str

    @property
    def line_count(self) -> int:
        """Number of lines of the docstring."""
        return self.text.count("\n") + 1


def library_folder() -> Path:
    """Return the folder of the standard library."""
    return Path(sysconfig.get_path("stdlib"))


def read_sources(library: Path) -> Iterator[Docstring]:
    """Yield what is documented in the source files of a standard library; nothing of it is imported."""
    for module, path in module_sources(library):
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, OSError):  # lib2to3 and test data hold files for other Pythons
            continue
        file = path.relative_to(library).as_posix()
        yield from _Reader(module, file).module(tree)


def module_sources(library: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and the source file of every module of a standard library, without its tests."""
    for name in sorted(sys.stdlib_module_names):
        spec = PathFinder.find_spec(name, [str(library)])
        if name in _TEST_FOLDERS or spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            continue
        path = Path(spec.origin)
        yield name, path
        if spec.submodule_search_locations is not None:
            yield from _submodules(name, path.parent)


def clean_text(docstring: str) -> str:
    """Return a docstring without common indentation, and without what Postgres cannot store."""
    text = inspect.cleandoc(docstring).strip()
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _submodules(package: str, folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if _TEST_FOLDERS.isdisjoint(parts) and parts != ("__init__",):
            yield ".".join([package, *(part for part in parts if part != "__init__")]), path


class _Reader:
    """Reads one module."""

    def __init__(self, module: str, file: str) -> None:
        self._name = module
        self._file = file

    def module(self, tree: ast.Module) -> Iterator[Docstring]:
        """Yield the docstring of the module and of what it defines; what is local to a function is left out."""
        yield from self._read(tree, self._name, "module", None)
        yield from self._body(tree.body, self._name, "function")

    def _body(self, body: list[ast.stmt], prefix: str, function_kind: str) -> Iterator[Docstring]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                name = f"{prefix}.{node.name}"
                yield from self._read(node, name, "class", _class_signature(node))
                yield from self._body(node.body, name, "method")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from self._read(node, f"{prefix}.{node.name}", function_kind, node)
            elif isinstance(node, _BLOCKS):  # what is defined for one platform or Python only
                yield from self._body(_inner(node), prefix, function_kind)

    def _read(
        self,
        node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
        name: str,
        kind: str,
        signed: ast.FunctionDef | ast.AsyncFunctionDef | None,
    ) -> Iterator[Docstring]:
        docstring = ast.get_docstring(node, clean=False)
        text = clean_text(docstring) if docstring else ""
        if text:
            signature = None if signed is None else _signature(signed)
            yield Docstring(name, kind, self._name, signature, self._file, text)


def _class_signature(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return clean_text(f"({ast.unparse(node.args)}){returns}")


def _inner(node: ast.stmt) -> list[ast.stmt]:
    """Return the statements inside of a block, all its branches."""
    inner: list[ast.stmt] = []
    for part in ("body", "orelse", "finalbody"):
        inner += getattr(node, part, [])
    for handler in getattr(node, "handlers", []):
        inner += handler.body
    return inner
