"""Lengths of time that callers write as texts: ``"7 days"``, ``"1 month"``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import timedelta

from pgvec.errors import InvalidOptionError

__all__ = ["CalendarStep", "read_duration", "read_step"]

_WRITTEN = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)?\s*([a-z]{1,12})\s*", re.ASCII)
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_SHORT = {"s": "second", "min": "minute", "h": "hour", "d": "day", "w": "week"}
_MOST_MONTHS = 12 * 1_000
_LONGEST = timedelta(days=365_250)


@dataclass(frozen=True, slots=True)
class CalendarStep:
    """The width of a bar of a histogram of time: a number of months, or a fixed length.

    Attributes:
        months: How many months, or 0.
        length: How long, where it is not months.
    """

    months: int = 0
    length: timedelta = timedelta(0)


def read_duration(name: str, value: object) -> timedelta:
    """Return a length of time, given as such or as a text of a number and a unit from seconds to weeks."""
    if isinstance(value, str):
        number, unit = _read(name, value)
        if unit not in _SECONDS:
            raise InvalidOptionError(
                f"{name}={value!r:.60}: a {unit} is not always as long; give days or weeks, such as '30 days'"
            )
        value = timedelta(seconds=_SECONDS[unit] * number) if number <= _LONGEST.total_seconds() else None
    if not isinstance(value, timedelta) or not timedelta(0) <= value <= _LONGEST:
        raise InvalidOptionError(
            f"{name} has to be a timedelta or a text such as '7 days', of at most a thousand years, not {value!r:.60}"
        )
    return value


def read_step(name: str, value: object) -> CalendarStep:
    """Return the width of a bar, given as a timedelta or as a text of a number and a unit from seconds to years."""
    if isinstance(value, str):
        number, unit = _read(name, value)
        if unit in _MONTHS:
            months = _MONTHS[unit] * number
            if months != math.floor(months) or not 1 <= months <= _MOST_MONTHS:
                raise InvalidOptionError(
                    f"{name}={value!r:.60}: give whole months, quarters or years, at most a thousand years"
                )
            return CalendarStep(months=int(months))
    length = read_duration(name, value)
    if not length:
        raise InvalidOptionError(f"{name}={value!r:.60} is no time at all: give at least a microsecond")
    return CalendarStep(length=length)


def _read(name: str, text: str) -> tuple[float, str]:
    written = _WRITTEN.fullmatch(text)
    unit = "" if written is None else written[2]
    unit = _SHORT.get(unit, unit.removesuffix("s"))
    if written is None or unit not in _SECONDS | _MONTHS:
        known = ", ".join([*_SECONDS, *_MONTHS])
        raise InvalidOptionError(f"{name}={text!r:.60} is no length of time: give a number and one of {known}")
    return 1.0 if written[1] is None else float(written[1]), unit
