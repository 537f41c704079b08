"""Reads every common way to name a Postgres database, and says clearly when a text is none; passwords stay out of messages."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import quote, urlencode

import psycopg
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy.engine import make_url

from pgvec.errors import ConfigurationError

__all__ = ["engine_url", "libpq_url"]

_DRIVER = "postgresql+psycopg"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*)://")
_NETWORK_HOST = re.compile(r"[A-Za-z0-9.-]+")
_PORTS = re.compile(r"\d*(,\d*)*")
_EXAMPLE = "postgresql://user:password@host:5432/database"


def engine_url(url: str | sa.URL) -> sa.URL:
    """Return the SQLAlchemy URL (psycopg 3) of a database.

    Args:
        url: A libpq URI (``postgresql://`` or ``postgres://``, several hosts and ``?host=/socket/folder`` included), a libpq
            connection string (``host=... dbname=...``), or a SQLAlchemy URL (``postgresql+psycopg://``). What is left out comes
            from libpq's own environment variables and defaults.

    Raises:
        ConfigurationError: The text is none of these, or names another driver.
    """
    given = _parameters(url)
    # One host has its own place in the URL; sockets and lists of hosts travel as libpq writes them.
    plain = "," not in given.get("host", "") and not given.get("host", "").startswith(("/", "@"))
    port = int(given.pop("port")) if plain and "host" in given and given.get("port") else None
    return sa.URL.create(
        _DRIVER,
        username=given.pop("user", None),
        password=given.pop("password", None),
        host=given.pop("host", None) if plain else None,
        port=port,
        database=given.pop("dbname", None),
        query=given,
    )


def libpq_url(url: str | sa.URL) -> str:
    """Return the libpq URI of a database, password included, for psql, psycopg and other programs.

    Args:
        url: As for :func:`engine_url`.
    """
    given = _parameters(url)
    user, password = given.pop("user", None), given.pop("password", None)
    login = ":".join(quote(part, safe="") for part in (user or "", password) if part is not None)
    database = quote(given.pop("dbname", ""), safe="")
    address = ""
    if _NETWORK_HOST.fullmatch(given.get("host", "")):
        address = ":".join(given.pop(part) for part in ("host", "port") if part in given)
    at = "@" if login else ""
    query = f"?{urlencode(given, quote_via=quote)}" if given else ""
    return f"postgresql://{login}{at}{address}/{database}{query}"


def _parameters(url: str | sa.URL) -> dict[str, str]:
    """Return libpq's keywords and their values."""
    given = _read(url)
    if not _PORTS.fullmatch(given.get("port", "")):
        _refuse("The port of the database URL is not a number")
    return given


def _read(url: str | sa.URL) -> dict[str, str]:
    if isinstance(url, sa.URL):
        return _from_sqlalchemy(url)
    if not isinstance(url, str) or not url.strip() or "\0" in url:
        _refuse("The database URL is empty or no text")
    text = url.strip()
    scheme = _SCHEME.match(text)
    if scheme is not None and scheme[1] not in ("postgresql", "postgres"):
        if scheme[1].partition("+")[0] not in ("postgresql", "postgres"):
            _refuse(f"The database URL begins with {scheme[0]}, which is not PostgreSQL")
        return _from_sqlalchemy(_parsed(text))
    if scheme is None and "=" not in text:
        _refuse("The database URL is neither a URL nor a connection string of the form host=... dbname=...")
    return _from_libpq(text)


def _parsed(text: str) -> sa.URL:
    # What SQLAlchemy or libpq say about a text that they cannot read quotes it, and so its password.
    try:
        return make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        pass
    return _refuse("The database URL cannot be read; percent-encode special characters in user and password")


def _from_sqlalchemy(url: sa.URL) -> dict[str, str]:
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername=_DRIVER)
    if url.drivername not in (_DRIVER, f"{_DRIVER}_async"):
        _refuse(f"The database URL names the driver {url.drivername}, and pgvec works with psycopg 3: {_DRIVER}://")
    try:
        _, options = url.set(drivername=_DRIVER).get_dialect()().create_connect_args(url)
    except (sa.exc.ArgumentError, ValueError):
        options = None
    if options is None:
        _refuse("The hosts and ports of the database URL do not fit together")
    try:
        make_conninfo("", **options)
    except psycopg.ProgrammingError:
        options = None
    if options is None:
        _refuse("The database URL has a parameter that libpq does not know; options of psycopg belong to the engine")
    return {name: str(value) for name, value in options.items()}


def _from_libpq(text: str) -> dict[str, str]:
    try:
        found = conninfo_to_dict(text)
    except (psycopg.Error, UnicodeError):
        found = None
    if found is None:
        _refuse(
            "The database URL cannot be read; percent-encode special characters in user and password, and use only "
            "parameters that libpq knows"
        )
    return {name: str(value) for name, value in found.items() if value is not None}


def _refuse(problem: str) -> NoReturn:
    raise ConfigurationError(f"{problem}; expected for example {_EXAMPLE}")
