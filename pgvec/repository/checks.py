"""Checks of numbers that callers give."""

from __future__ import annotations

import math
import operator

from pgvec.errors import InvalidOptionError

__all__ = ["number", "share", "whole_number"]


def whole_number(name: str, value: object, least: int, most: int) -> int:
    """Return a whole number between two bounds."""
    try:
        found = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        found = None
    if found is None or isinstance(value, bool):
        raise InvalidOptionError(f"{name} has to be a whole number, not {value!r}")
    if not least <= found <= most:
        raise InvalidOptionError(f"{name} has to be between {least} and {most}, not {found}")
    return found


def share(name: str, value: object) -> float:
    """Return a number above 0 and at most 1."""
    found = number(name, value)
    if not 0.0 < found <= 1.0:
        raise InvalidOptionError(f"{name} has to be above 0 and at most 1, not {value!r}")
    return found


def number(name: str, value: object) -> float:
    """Return a number that is one."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidOptionError(f"{name} has to be a number, not {value!r}") from None
    if isinstance(value, str | bool) or math.isnan(found):
        raise InvalidOptionError(f"{name} has to be a number, not {value!r}")
    return found
