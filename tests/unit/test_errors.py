"""The tree of errors keeps its promises."""

from __future__ import annotations

import builtins
import inspect
import pickle

import psycopg
import pytest
import sqlalchemy.exc

from pgvec import errors

# The contract of pgvec had this name before SQLAlchemy 2.1 took it for another error.
SHARED = {"AmbiguousColumnError"}
CLASSES = [getattr(errors, name) for name in errors.__all__]


def test_all_is_complete_and_sorted() -> None:
    """Every error class of the module is exported."""
    declared = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert errors.__all__ == sorted(declared)


@pytest.mark.parametrize("kind", CLASSES)
def test_one_root_and_no_shadowing(kind: type[Exception]) -> None:
    """Every error is a PgvecError, ends in Error, and has no name of SQLAlchemy, psycopg or Python."""
    assert issubclass(kind, errors.PgvecError)
    assert kind.__name__.endswith("Error")
    for module in (sqlalchemy.exc, psycopg, psycopg.errors, builtins):
        assert not hasattr(module, kind.__name__) or kind.__name__ in SHARED


@pytest.mark.parametrize("kind", CLASSES)
def test_errors_survive_pickling(kind: type[errors.PgvecError]) -> None:
    """Message, attributes and text come through a process boundary."""
    original = kind("what happened", position=3, sqlstate="23505")
    copy = pickle.loads(pickle.dumps(original))
    assert type(copy) is kind
    assert (str(copy), copy.position, copy.sqlstate) == ("what happened", 3, "23505")


@pytest.mark.parametrize("kind", CLASSES)
def test_the_docstring_draws_every_error(kind: type[Exception]) -> None:
    """The tree in the module's docstring names each class under its parent."""
    lines = (errors.__doc__ or "").splitlines()
    (line,) = [line for line in lines if line.strip("│├└─ ").split(" ")[0] == kind.__name__]
    depth = (len(line) - len(line.lstrip("│├└─ "))) // 3
    assert depth == len([base for base in kind.__mro__ if issubclass(base, errors.PgvecError)]) - 1 + 1
