"""What the demo reads of a standard library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rich", reason="the extra cli is not installed")

from pgvec.cli.demo import library
from pgvec.cli.demo.compiled import compiled_modules, read_compiled
from pgvec.cli.demo.docstrings import Docstring, clean_text, read_sources

THIS = '''"""A module.

With more lines."""
raise SystemExit("a module was imported instead of read")


def documented(a: int, *, b: str = "x") -> bool:
    """Do something."""

    def local():
        """Be nobody else's business."""


def undocumented():
    pass


async def later():
    """Do it later."""


class Shape:
    """Have a form."""

    def __init__(self, sides):
        self.sides = sides

    @property
    def area(self):
        """Tell the size."""

    class Inner:
        """Be inside."""


if raise_platform_question:
    def somewhere():
        """Exist on one platform."""
else:
    def elsewhere():
        """Exist on the others."""
'''


@pytest.fixture
def small_library(tmp_path: Path) -> Path:
    """A standard library of two modules, of which one is a package with tests and a file that no Python reads."""
    (tmp_path / "this.py").write_text(THIS)
    (tmp_path / "not_of_the_library.py").write_text('"""A stranger."""')
    package = tmp_path / "json"
    (package / "tests").mkdir(parents=True)
    (package / "__init__.py").write_text('"""The package."""')
    (package / "tool.py").write_text('"""A tool."""')
    (package / "broken.py").write_text('"""Broken."""\nprint "old"')
    (package / "tests" / "test_tool.py").write_text('"""A test."""')
    return tmp_path


def test_sources_are_read_without_being_imported(small_library: Path):
    """Modules, classes, functions and methods come with names, kinds, signatures and files; local functions do not."""
    found = {docstring.qualified_name: docstring for docstring in read_sources(small_library)}
    kinds = {name: docstring.kind for name, docstring in found.items()}
    assert kinds == {
        "json": "module",
        "json.tool": "module",
        "this": "module",
        "this.documented": "function",
        "this.later": "function",
        "this.Shape": "class",
        "this.Shape.area": "method",
        "this.Shape.Inner": "class",
        "this.somewhere": "function",
        "this.elsewhere": "function",
    }
    assert found["this.documented"] == Docstring(
        "this.documented", "function", "this", "(a: int, *, b: str='x') -> bool", "this.py", "Do something."
    )
    assert found["this.Shape"].signature == "(self, sides)"
    assert (found["this"].signature, found["this"].line_count) == (None, 3)
    assert found["json.tool"].source_file == "json/tool.py"


@pytest.mark.parametrize(
    ("docstring", "text"),
    [("  one\n    two\n  three  ", "one\n  two\nthree"), ("nul \0 byte", "nul \ufffd byte"), ("half \ud800", "half ?")],
)
def test_text_is_what_postgres_can_store(docstring: str, text: str):
    """Indentation, NUL characters and halves of surrogate pairs are taken out."""
    assert clean_text(docstring) == text


def test_compiled_modules_are_described():
    """Functions, classes and methods of compiled modules are found under the names that Python gives them."""
    found = {
        docstring.qualified_name: docstring for docstring in read_compiled(iter(["math", "builtins", "_functools"]))
    }
    assert found["math.sqrt"].kind == "function"
    assert found["math.sqrt"].signature == "(x, /)"
    assert found["builtins.str.join"].kind == "method"
    assert found["builtins.dict"].kind == "class"
    assert found["functools.partial"].module == "functools"
    assert "readline" not in compiled_modules()


@pytest.mark.full
def test_the_library_of_this_python_is_read_whole():
    """Several thousand names come out, each once, and reading them imports no module that does something."""
    program = (
        "import sys; from pgvec.cli.demo.library import read_library;"
        "names = [d.qualified_name for d in read_library()];"
        "assert len(names) == len(set(names)) > 5_000, len(names);"
        "assert {'subprocess.run', 'math', 'asyncio.tasks.gather', 'pathlib.Path'} <= set(names);"
        "assert not {'this', 'antigravity', 'idlelib', 'turtle', 'tkinter', 'test'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_fingerprint_follows_the_sources(small_library: Path, monkeypatch: pytest.MonkeyPatch):
    """It stays while the files do, and changes with one of them."""
    monkeypatch.setattr(library, "library_folder", lambda: small_library)
    before = library.library_fingerprint()
    assert library.library_fingerprint() == before
    (small_library / "json" / "tool.py").write_text('"""A better tool."""')
    assert library.library_fingerprint() != before
