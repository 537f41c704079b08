"""Settings of the site; the database is the one that PGVEC_URL names."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "of an example that serves nobody but you"
DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "pgvec.integrations.django",
    "articles",
]

# A dotted path to an embedder, or to what makes one. "articles.embedding.word_embedder" needs no model.
PGVEC = {"EMBEDDER": os.environ.get("NEWSROOM_EMBEDDER", "pgvec.embedders.default_embedder")}


def database(url: str) -> dict[str, object]:
    """Return a libpq URL or connection string as Django has it."""
    given = psycopg.conninfo.conninfo_to_dict(url)
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    known = {names[key]: str(value) for key, value in given.items() if key in names}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **known,
        "OPTIONS": {key: value for key, value in given.items() if key not in names},
        "TEST": {"NAME": f"{known.get('NAME', 'newsroom')}_django"},
    }


DATABASES = {"default": database(os.environ.get("PGVEC_URL", "dbname=newsroom"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "newsroom.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
STATIC_URL = "static/"
USE_TZ = True
