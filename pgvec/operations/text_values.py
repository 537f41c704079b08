"""Text as it stands in files, turned into values by the type of its column."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from pgvec.model import VectorType
from pgvec.orm.values import decode
from pgvec.statements.load_requests import BINARY_OIDS, RowForm, ValueType

__all__ = ["parser_for"]

_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})


def parser_for(value_type: ValueType, form: RowForm) -> Callable[[str], Any] | None:
    """Return what turns text into a value of a type; None where the text is the value, or only the server can read it.

    An empty text is NULL.
    """
    parse = _parser(value_type) if form is not RowForm.PYTHON else None
    if parse is None or (parse is json.loads and form is RowForm.JSON):
        return None
    return lambda text: None if not text.strip() else parse(text)


def _parser(value_type: ValueType) -> Callable[[str], Any] | None:
    if value_type.element is not None:
        return _list if value_type.binary else None
    if value_type.vector is not None:
        return _VECTORS[value_type.vector]
    if value_type.enum:
        return str
    return _PARSERS.get(BINARY_OIDS.get(value_type.oid, ""))


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None


def _bool(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def _bytes(text: str) -> bytes:
    if not text.startswith("\\x"):
        raise ValueError(rf"{text!r:.40} is not in Postgres' hexadecimal form, such as \x00ff")
    return bytes.fromhex(text[2:])


def _list(text: str) -> Any:
    value = json.loads(text)
    if not isinstance(value, list):
        raise ValueError(f"{text!r:.40} is not a JSON list")  # noqa: TRY004 - the type is right, the text is not
    return value


def _sparse(text: str) -> Any:
    return _list(text) if text.lstrip().startswith("[") else decode(text.strip(), VectorType.SPARSEVEC)


_PARSERS: dict[str, Callable[[str], Any]] = {
    "bool": _bool,
    "bytea": _bytes,
    "int2": int,
    "int4": int,
    "int8": int,
    "float4": float,
    "float8": float,
    "numeric": _decimal,
    "json": json.loads,
    "jsonb": json.loads,
    # The encoder reads these in ISO form.
    "date": str.strip,
    "time": str.strip,
    "timestamp": str.strip,
    "timestamptz": str.strip,
    "uuid": str.strip,
}
_VECTORS: dict[VectorType, Callable[[str], Any]] = {
    VectorType.VECTOR: _list,
    VectorType.HALFVEC: _list,
    VectorType.SPARSEVEC: _sparse,
    VectorType.BIT: str.strip,
}
