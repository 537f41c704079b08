"""Django on the server of the run: settings once for each process, and a fresh database for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from fix_database import Databases

try:
    import django
    from django.conf import settings
except ImportError:
    django = None

APPS = ["admin", "auth", "contenttypes", "sessions", "messages", "postgres"]
SETTINGS: dict[str, Any] = {
    "INSTALLED_APPS": [*(f"django.contrib.{name}" for name in APPS), "pgvec.integrations.django", "support.library"],
    "DATABASES": {
        alias: {"ENGINE": "django.db.backends.postgresql", "NAME": "set_by_each_test"} for alias in ("default", "other")
    },
    "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    "PGVEC": {"EMBEDDER": "support.library.words.counter"},
    "ROOT_URLCONF": "support.library.urls",
    "SECRET_KEY": "of the tests",
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    "USE_TZ": True,
}


def pytest_configure(config: pytest.Config) -> None:
    # Not through DJANGO_SETTINGS_MODULE, which every process that a test starts would inherit.
    if django is not None and not settings.configured:
        settings.configure(**SETTINGS)


@pytest.fixture(scope="session")
def django_ready() -> Iterator[None]:
    """Django with its apps loaded, as its own test runner prepares it; skips where it is not installed."""
    pytest.importorskip("django")
    from django.test.utils import setup_test_environment, teardown_test_environment

    django.setup()
    setup_test_environment()
    yield
    teardown_test_environment()


@pytest.fixture(scope="session")
def django_template(django_ready: None, databases: Databases, template_database: str) -> Iterator[str]:
    """The name of a database that has the extension, pgvec's schema and the tables of Django and of the library."""
    from django.apps import apps
    from django.core.management import call_command
    from django.db import connection

    name = databases.create(template_database)
    with _connected(databases.url_of(name)):
        call_command("migrate", verbosity=0)
        with connection.schema_editor() as editor:
            for model in apps.get_app_config("library").get_models():
                if not model._meta.proxy:
                    editor.create_model(model)
    yield name
    databases.drop(name)


@pytest.fixture
def django_url(databases: Databases, django_template: str) -> Iterator[str]:
    """The libpq URL of a fresh database with every table, which Django's connections ``default`` and ``other`` reach."""
    with _fresh(databases, django_template) as url:
        yield url


@pytest.fixture(scope="module")
def library_url(databases: Databases, django_template: str) -> Iterator[str]:
    """The libpq URL of a database with two hundred articles, shared by the tests of a module, which Django's connections reach."""
    from support.library.rows import make_articles

    with _fresh(databases, django_template) as url:
        make_articles()
        yield url


@pytest.fixture
def library(library_url: str) -> Iterator[None]:
    """The shared articles in a transaction of the connection ``default``, which is rolled back in the end."""
    from django.db import transaction

    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def django_empty_url(django_ready: None, empty_database_url: str) -> Iterator[str]:
    """The libpq URL of a database without extension and tables, which Django's connections reach."""
    with _connected(empty_database_url):
        yield empty_database_url


@contextmanager
def _fresh(databases: Databases, template: str) -> Iterator[str]:
    name = databases.create(template)
    url = databases.url_of(name)
    with _connected(url):
        yield url
    databases.drop(name)


@contextmanager
def _connected(url: str) -> Iterator[None]:
    """Point Django's connections at a database, and in the end at the one before."""
    from django.db import connections

    reached = [connections[alias] for alias in ("default", "other")]
    before = [dict(connection.settings_dict) for connection in reached]
    for connection in reached:
        connection.close()
        connection.settings_dict.update(parameters(url))
    try:
        yield
    finally:
        for connection, settings_before in zip(reached, before, strict=True):
            connection.close()
            connection.settings_dict.update(settings_before)


def parameters(url: str) -> dict[str, str]:
    """Return a libpq URL as Django's settings of a database."""
    given = psycopg.conninfo.conninfo_to_dict(url)
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return {names[key]: str(value) for key, value in given.items() if key in names}
