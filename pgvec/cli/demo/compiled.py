"""The docstrings of modules that are compiled, such as ``math`` and ``itertools``: these have to be imported."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import sys
import warnings
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES, BuiltinImporter, PathFinder
from types import ModuleType
from typing import Any

from pgvec.cli.demo.docstrings import Docstring, clean_text

__all__ = ["compiled_modules", "read_compiled"]

# What they do when they are imported: readline and curses speak to the terminal, tkinter looks for a display's libraries.
_NOT_IMPORTED = frozenset({"readline", "_curses", "_curses_panel", "_tkinter", "nt", "winreg"})
_TEST_PREFIXES = ("_test", "_xx", "xx", "_ctypes_test")
_METHODS = (type(str.join), type(dict.__dict__["fromkeys"]), staticmethod, classmethod)


def read_compiled(names: Iterator[str]) -> Iterator[Docstring]:
    """Yield what is documented in compiled modules.

    A name that a module takes from another one is reported once, under the module that Python says it belongs to.

    Args:
        names: Names of modules, as :func:`compiled_modules` yields them.
    """
    for name in names:
        module = _imported(name)
        if module is None:
            continue
        file = getattr(module, "__file__", None)
        yield from _described(module, name, "module", name, file)
        for attribute, value in sorted(vars(module).items()):
            if attribute.startswith("__"):
                continue
            if inspect.isclass(value):
                yield from _class(value, name, file)
            elif inspect.isbuiltin(value):
                yield from _described(value, f"{name}.{attribute}", "function", name, file)


def compiled_modules() -> Iterator[str]:
    """Yield the names of the compiled modules of the standard library that are safe to import."""
    for name in sorted(sys.stdlib_module_names):
        if name in _NOT_IMPORTED or name.startswith(_TEST_PREFIXES):
            continue
        spec = BuiltinImporter.find_spec(name) or PathFinder.find_spec(name)
        if spec is not None and (spec.origin == "built-in" or str(spec.origin).endswith(tuple(EXTENSION_SUFFIXES))):
            yield name


def _imported(name: str) -> ModuleType | None:
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.suppress(ImportError, OSError),
    ):
        warnings.simplefilter("ignore")
        return importlib.import_module(name)
    return None


def _class(value: type, module: str, file: str | None) -> Iterator[Docstring]:
    # functools.partial is made in _functools, and says that it belongs to functools.
    home = value.__module__ if value.__module__ in sys.stdlib_module_names else module
    name = f"{home}.{value.__qualname__}"
    yield from _described(value, name, "class", home, file)
    for method_name, method in sorted(vars(value).items()):
        if isinstance(method, _METHODS):
            yield from _described(getattr(value, method_name), f"{name}.{method_name}", "method", home, file)


def _described(value: Any, name: str, kind: str, module: str, file: str | None) -> Iterator[Docstring]:
    docstring = getattr(value, "__doc__", None)
    text = clean_text(docstring) if isinstance(docstring, str) else ""
    if text:
        signature = None if kind == "module" else _signature(value)
        yield Docstring(name, kind, module, signature, _short(file), text)


def _signature(value: Any) -> str | None:
    try:
        return str(inspect.signature(value))
    except (ValueError, TypeError):  # many compiled functions do not tell
        return None


def _short(file: str | None) -> str | None:
    return None if file is None else file.replace("\\", "/").rpartition("/")[2]
