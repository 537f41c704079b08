"""What it takes to encode the values of one column."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Codec", "Field", "FixedFields", "Matrix", "fixed", "framed_one"]

Matrix: TypeAlias = NDArray[np.uint8]
"""Bytes, one line for each row."""

Field: TypeAlias = bytes | memoryview
"""One field behind its length."""

_LENGTH = struct.Struct(">i")


@dataclass(frozen=True, slots=True)
class FixedFields:
    """Fields of one column that are equally long, to be written where the rows take shape: the data is copied once.

    Attributes:
        header: What stands before each value: its length, and what else they have in common.
        values: The values, of shape ``(rows,)`` or ``(rows, elements)``.
        form: Their dtype as sent, big-endian.
    """

    header: bytes
    values: NDArray[Any]
    form: np.dtype[Any]

    @property
    def width(self) -> int:
        """Bytes in each row."""
        return len(self.header) + self.form.itemsize * (self.values.shape[1] if self.values.ndim > 1 else 1)

    def write(self, target: Matrix) -> None:
        """Write the fields into ``target``, of shape ``(rows, width)``."""
        size = len(self.header)
        target[:, :size] = np.frombuffer(self.header, np.uint8)
        values = self.values if self.values.ndim > 1 else self.values[:, None]
        # Checked before: what does not fit into the form never comes here.
        with np.errstate(over="ignore", under="ignore"):
            target[:, size:].view(self.form)[...] = values


@dataclass(frozen=True, slots=True)
class Codec:
    """How values of one column become binary fields.

    Attributes:
        one: Encodes one value, without its length. Raises ``TypeError``, ``ValueError`` or ``ArithmeticError`` for a value
            that does not fit.
        block: Encodes many values at once, or returns None where it cannot: then ``one`` finds out why, or does it.
    """

    one: Callable[[Any], bytes]
    block: Callable[[Sequence[Any]], FixedFields | None] | None = None


def fixed(values: NDArray[Any], form: np.dtype[Any]) -> FixedFields:
    """Make fields of numbers that fit into ``form``."""
    return FixedFields(_LENGTH.pack(form.itemsize), values, form)


def framed_one(data: bytes) -> bytes:
    """Put its length before one field."""
    return _LENGTH.pack(len(data)) + data
