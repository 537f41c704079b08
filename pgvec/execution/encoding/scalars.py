"""Codecs of Postgres' own types.

Numbers are converted by NumPy, many at once; dates and decimals by psycopg's own dumpers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.abc import Transformer
from psycopg.adapt import PyFormat
from psycopg.types.datetime import (
    DateBinaryDumper,
    DatetimeBinaryDumper,
    DatetimeNoTzBinaryDumper,
    TimeBinaryDumper,
    TimedeltaBinaryDumper,
    TimeTzBinaryDumper,
)
from psycopg.types.json import Json, Jsonb

from pgvec.execution.encoding.codec import Codec, FixedFields, fixed

__all__ = ["scalar_codecs", "text_codec"]

_BOOL = np.dtype(np.uint8)
_NUMBERS = (int, float, Decimal, np.integer, np.floating)


def scalar_codecs(transformer: Transformer, encoding: str, timezone: tzinfo) -> Mapping[str, Codec]:
    """Return the codec of each type by its name.

    Args:
        transformer: psycopg's, of the connection: it knows how JSON is to be serialized.
        encoding: Client encoding of the connection, as Python names it.
        timezone: Time zone of the connection, in which Postgres reads times without one.
    """
    text = Codec(_texts(encoding))
    return {
        "bool": Codec(_bool, _bools),
        "int2": _integers(">i2"),
        "int4": _integers(">i4"),
        "int8": _integers(">i8"),
        "float4": _floats(">f4"),
        "float8": _floats(">f8"),
        "numeric": Codec(_numeric),
        "text": text,
        "varchar": text,
        "bpchar": text,
        "name": text,
        "bytea": Codec(_bytes),
        "uuid": Codec(_uuid),
        "date": Codec(_dates()),
        "time": Codec(_times()),
        "timetz": Codec(_times_with_zone()),
        "timestamp": Codec(_timestamps(timezone)),
        "timestamptz": Codec(_timestamps_with_zone(timezone)),
        "interval": Codec(_intervals()),
        "json": Codec(_json(transformer, b"", encoding)),
        # jsonb begins with the version of its binary form.
        "jsonb": Codec(_json(transformer, b"\x01", encoding)),
    }


def text_codec(transformer: Transformer, encoding: str) -> Codec:
    """Return the codec of a column that travels as text: as an INSERT through psycopg would send it."""
    encode = _texts(encoding)

    def one(value: Any) -> bytes:
        if isinstance(value, str):
            return encode(value)
        try:
            dumped = transformer.get_dumper(value, PyFormat.TEXT).dump(value)
        except psycopg.ProgrammingError as exc:
            raise TypeError(str(exc)) from exc
        return b"" if dumped is None else bytes(dumped)

    return Codec(one)


def _refusal(value: object, needed: str) -> str:
    return f"{value!r:.60} ({type(value).__name__}) is not {needed}"


def _bool(value: Any) -> bytes:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(_refusal(value, "a bool"))
    return b"\x01" if value else b"\x00"


def _bools(values: Sequence[Any]) -> FixedFields | None:
    given = _as_array(values)
    return fixed(given, _BOOL) if given is not None and given.dtype.kind == "b" else None


def _integers(form: str) -> Codec:
    dtype = np.dtype(form)
    limits = np.iinfo(dtype)
    low, high, width = int(limits.min), int(limits.max), dtype.itemsize

    def one(value: Any) -> bytes:
        if not isinstance(value, int | np.integer | np.bool_):
            raise TypeError(_refusal(value, "a whole number"))
        if not low <= value <= high:
            raise ValueError(f"{value} is not between {low} and {high}")
        return int(value).to_bytes(width, "big", signed=True)

    def block(values: Sequence[Any]) -> FixedFields | None:
        given = _as_array(values)
        if given is None or given.dtype.kind not in "iub" or given.min() < low or given.max() > high:
            return None
        return fixed(given, dtype)

    return Codec(one, block)


def _floats(form: str) -> Codec:
    dtype = np.dtype(form)
    packed = struct.Struct(">f" if dtype.itemsize == 4 else ">d")

    def one(value: Any) -> bytes:
        if isinstance(value, bool) or not isinstance(value, _NUMBERS):
            raise TypeError(_refusal(value, "a number"))
        return packed.pack(value)

    def block(values: Sequence[Any]) -> FixedFields | None:
        given = _as_array(values)
        if given is None or given.dtype.kind not in "iuf":
            return None
        with np.errstate(over="ignore", under="ignore"):
            converted = given.astype(dtype)
        return None if (np.isinf(converted) & ~np.isinf(given)).any() else fixed(converted, dtype)

    return Codec(one, block)


def _as_array(values: Sequence[Any]) -> NDArray[Any] | None:
    try:
        given: NDArray[Any] = np.asarray(values)
    except (ValueError, OverflowError):
        return None
    return given if given.ndim == 1 and given.size else None


_decimal = psycopg.adapters.get_dumper(Decimal, PyFormat.BINARY)(Decimal, None)


def _numeric(value: Any) -> bytes:
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        raise TypeError(_refusal(value, "a number"))
    if not isinstance(value, Decimal):
        # The shortest text that gives the same float is what INSERT would send.
        value = Decimal(repr(float(value))) if isinstance(value, float | np.floating) else Decimal(int(value))
    return bytes(_decimal.dump(value) or b"")


def _texts(encoding: str) -> Callable[[Any], bytes]:
    def one(value: Any) -> bytes:
        if not isinstance(value, str):
            raise TypeError(_refusal(value, "a text"))
        if "\0" in value:
            raise ValueError(_refusal(value, "a text that Postgres stores: it has a NUL character"))
        return value.encode(encoding)

    return one


def _bytes(value: Any) -> bytes:
    # SQLAlchemy's LargeBinary wraps what it binds.
    given = value.obj if isinstance(value, psycopg.Binary) else value
    if not isinstance(given, bytes | bytearray | memoryview):
        raise TypeError(_refusal(given, "bytes"))
    return bytes(given)


def _uuid(value: Any) -> bytes:
    if not isinstance(value, UUID | str):
        raise TypeError(_refusal(value, "a UUID"))
    return value.bytes if isinstance(value, UUID) else UUID(value).bytes


def _json(transformer: Transformer, version: bytes, encoding: str) -> Callable[[Any], bytes]:
    def one(value: Any) -> bytes:
        if isinstance(value, str):
            # SQLAlchemy's JSON types wrap what they bind, so this is JSON already.
            return version + value.encode(encoding)
        wrapped = value if isinstance(value, Json | Jsonb) else Jsonb(value)
        dumped = transformer.get_dumper(wrapped, PyFormat.TEXT).dump(wrapped)
        return version + bytes(dumped or b"null")

    return one


def _plain(value: Any) -> Any:
    """Turn NumPy's times into Python's."""
    return value.astype("datetime64[us]").item() if isinstance(value, np.datetime64) else value


def _dates() -> Callable[[Any], bytes]:
    dumper = DateBinaryDumper(date)

    def one(value: Any) -> bytes:
        given = _plain(value)
        given = date.fromisoformat(given) if isinstance(given, str) else given
        if not isinstance(given, date):
            raise TypeError(_refusal(value, "a date"))
        return bytes(dumper.dump(given) or b"")

    return one


def _times() -> Callable[[Any], bytes]:
    dumper = TimeBinaryDumper(time)

    def one(value: Any) -> bytes:
        given = time.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(given, time):
            raise TypeError(_refusal(value, "a time"))
        return bytes(dumper.dump(given.replace(tzinfo=None)) or b"")

    return one


def _times_with_zone() -> Callable[[Any], bytes]:
    dumper = TimeTzBinaryDumper(time)

    def one(value: Any) -> bytes:
        given = time.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(given, time) or given.utcoffset() is None:
            raise TypeError(_refusal(value, "a time with a fixed offset from UTC"))
        return bytes(dumper.dump(given) or b"")

    return one


def _as_datetime(value: Any) -> datetime:
    given = _plain(value)
    if isinstance(given, str):
        return datetime.fromisoformat(given)
    if isinstance(given, date) and not isinstance(given, datetime):
        return datetime.combine(given, time())
    if not isinstance(given, datetime):
        raise TypeError(_refusal(value, "a date and time"))
    return given


def _timestamps(timezone: tzinfo) -> Callable[[Any], bytes]:
    dumper = DatetimeNoTzBinaryDumper(datetime)

    def one(value: Any) -> bytes:
        given = _as_datetime(value)
        if given.tzinfo is not None:
            given = given.astimezone(timezone).replace(tzinfo=None)
        return bytes(dumper.dump(given) or b"")

    return one


def _timestamps_with_zone(timezone: tzinfo) -> Callable[[Any], bytes]:
    dumper = DatetimeBinaryDumper(datetime)

    def one(value: Any) -> bytes:
        given = _as_datetime(value)
        if given.tzinfo is None:
            given = given.replace(tzinfo=timezone)
        return bytes(dumper.dump(given) or b"")

    return one


def _intervals() -> Callable[[Any], bytes]:
    dumper = TimedeltaBinaryDumper(timedelta)

    def one(value: Any) -> bytes:
        given = value.astype("timedelta64[us]").item() if isinstance(value, np.timedelta64) else value
        if not isinstance(given, timedelta):
            raise TypeError(_refusal(value, "a timedelta"))
        return bytes(dumper.dump(given) or b"")

    return one
