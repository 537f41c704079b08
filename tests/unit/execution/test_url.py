"""Every common way to name a database is understood; nothing else is, and no password is shown."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect

from pgvec.errors import ConfigurationError
from pgvec.execution.url import engine_url, libpq_url


def connect_arguments(url: sa.URL) -> dict[str, str]:
    _, arguments = psycopg_dialect.dialect().create_connect_args(url)
    return {name: str(value) for name, value in arguments.items()}


SAME_IN_LIBPQ = [
    "postgresql://user:word@host:5433/base?sslmode=disable",
    "postgres://user@host/base",
    "postgresql://postgres:@/postgres?host=/tmp/socket",
    "postgresql://a%20b:p%40s%2Fs%25@host/d%20b",
    "postgresql://one:1,two:2/base?target_session_attrs=any",
    "postgresql://[::1]:5432/base",
    "postgresql:///base?host=::1",
    "postgresql://host/base?options=-c%20search_path%3Da%2Cb&application_name=x%26y",
    "postgresql://",
    "postgresql:///base?port=6432",
    "host=/tmp/socket dbname=base user=u password='p w'",
    "dbname=base options='-c search_path=a'",
    "host=@abstract dbname=base",
]


@pytest.mark.parametrize("url", SAME_IN_LIBPQ)
def test_libpq_forms_connect_as_libpq_would(url: str):
    """SQLAlchemy hands the driver exactly what libpq reads from the text."""
    assert connect_arguments(engine_url(url)) == conninfo_to_dict(url)
    assert conninfo_to_dict(libpq_url(url)) == conninfo_to_dict(url)


def test_a_list_of_hosts_keeps_its_default_ports():
    """Hosts without ports reach libpq as a list whose ports are its defaults."""
    assert connect_arguments(engine_url("host=one,two dbname=base")) == {
        "host": "one,two",
        "port": ",",
        "dbname": "base",
    }


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg://u:p%40w@host:1/base", "postgresql://u:p%40w@host:1/base"),
        ("postgresql+psycopg_async://u@host/base", "postgresql://u@host/base"),
        ("postgresql+psycopg://u@/base?host=/tmp", "postgresql://u@/base?host=%2Ftmp"),
        ("postgresql+psycopg://u@/base?host=a:1&host=b:2", "postgresql://u@/base?host=a%2Cb&port=1%2C2"),
        (sa.make_url("postgresql://u:p@host/base"), "postgresql://u:p@host/base"),
    ],
)
def test_sqlalchemy_forms_become_libpq_forms(url: str | sa.URL, expected: str):
    """A SQLAlchemy URL, as text or object, has a libpq form that means the same."""
    assert libpq_url(url) == expected
    assert engine_url(url) == engine_url(expected)


def test_the_engine_uses_psycopg_3():
    """Whatever the form, the driver is psycopg 3."""
    assert {engine_url(url).drivername for url in SAME_IN_LIBPQ} == {"postgresql+psycopg"}


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_password_survives_the_way_there_and_back(password: str):
    """Special characters of a password are neither lost nor taken for syntax."""
    url = sa.URL.create("postgresql+psycopg", username="u", password=password, host="h", database="d")
    assert conninfo_to_dict(libpq_url(url))["password"] == password
    assert engine_url(libpq_url(url)) == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("postgresql://u:secret@h/d\0", "empty or no text"),
        (None, "empty or no text"),
        ("mysql://u:secret@h/d", "mysql://, which is not PostgreSQL"),
        ("postgresql+asyncpg://u:secret@h/d", "driver postgresql+asyncpg"),
        ("postgresql+psycopg2://u:secret@h/d", "driver postgresql+psycopg2"),
        ("secret", "neither a URL nor a connection string"),
        ("u:secret@h/d", "neither a URL nor a connection string"),
        ("password=secret nonsense", "cannot be read"),
        ("password=secret color=red", "cannot be read"),
        ("postgresql://u:sec ret@h/d?color=secret", "cannot be read"),
        ("postgresql://u:se%zzcret@h/d", "cannot be read"),
        ("postgresql+psycopg://u:p@h:secret/d", "cannot be read"),
        ("postgresql://u:x@h:secret@h/d", "port"),
        ("postgresql+psycopg://u:secret@h/d?prepare_threshold=0", "parameter"),
        ("postgresql+psycopg://u:secret@/d?host=a:1&host=b:2&host=c&port=1", "do not fit together"),
    ],
)
@pytest.mark.parametrize("read", [engine_url, libpq_url])
def test_what_names_no_database_is_refused_without_showing_it(read, url: str, problem: str):
    """The error says what is wrong and what is expected, and never quotes a password, not even in its cause."""
    with pytest.raises(ConfigurationError, match="expected for example postgresql://") as caught:
        read(url)
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
