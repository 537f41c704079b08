"""Finds the parameters of a public API that a text can reach, by their annotations."""

from __future__ import annotations

import collections.abc
import enum
import inspect
import types
import typing
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

import sqlalchemy as sa
import sqlalchemy.ext.asyncio
import sqlalchemy.orm

# Aliases written as text are resolved where they are used, which need not know their names.
_NAMES = {**vars(sa), **vars(sa.orm), **vars(sa.ext.asyncio)}


def takes_arguments(exported: Any) -> bool:
    """Whether callers hand something to it; values that pgvec returns, and protocols, only describe."""
    if not inspect.isclass(exported):
        return callable(exported)
    describes = issubclass(exported, enum.Enum | tuple) or is_dataclass(exported) or is_protocol(exported)
    return not describes


def is_protocol(exported: type) -> bool:
    """Whether a class is a protocol."""
    return getattr(exported, "_is_protocol", False)


def text_parameters(owner: Any, name: str) -> Iterator[str]:
    """Yield ``name.parameter`` (for a class ``name.method.parameter``) for all parameters that admit a text."""
    if not inspect.isclass(owner):
        yield from (f"{name}.{parameter}" for parameter in _of_callable(owner))
        return
    for method, function in inspect.getmembers(owner, inspect.isfunction):
        ours = any(method in vars(base) for base in owner.__mro__ if base.__module__.startswith("pgvec."))
        if method == "__init__" or (not method.startswith("_") and ours):
            yield from (f"{name}.{method}.{parameter}" for parameter in _of_callable(function))


def _of_callable(function: Any) -> Iterator[str]:
    hints = typing.get_type_hints(function, globalns={**_NAMES, **inspect.unwrap(function).__globals__})
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name != "self" and _admits_text(hints.get(parameter.name, Any)):
            yield parameter.name


def _admits_text(hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return any(isinstance(value, str) for value in typing.get_args(hint))
    if origin is not None:
        # A callable or a class given its own parameters, such as Column[Any], takes no text.
        contains = origin in (typing.Union, types.UnionType) or issubclass(origin, collections.abc.Iterable)
        return contains and any(_admits_text(argument) for argument in typing.get_args(hint))
    return hint in (Any, object) or (inspect.isclass(hint) and issubclass(hint, str))
