"""Runs the command line inside of the test."""

from __future__ import annotations

import functools
import inspect
from contextlib import nullcontext
from typing import Any

import pytest
import sqlalchemy as sa
import typer.testing
from typer.testing import CliRunner

# click mixed the two streams by default before 8.2.
_APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner.__init__).parameters else {}
# typer makes all commands anew for each call, which takes longer than many a command.
typer.testing._get_command = functools.cache(typer.testing._get_command)


def run_pgvec(*arguments: str, **options: Any) -> Any:
    """Run ``pgvec`` with arguments; the result has ``exit_code``, ``stdout`` and ``stderr``."""
    from pgvec.cli.app import app

    # What a terminal of 80 columns breaks or leaves out has its own tests.
    options["env"] = {"COLUMNS": "200"} | options.get("env", {})
    return CliRunner(**_APART).invoke(app, list(arguments), **options)


def search_on(engine: sa.Engine, patch: pytest.MonkeyPatch) -> None:
    """Let ``pgvec search`` keep what many calls in one process can share: connections, compiled statements, tables read.

    The program makes an engine and reads the table in each of its runs, which is nine tenths of the time of a small search.
    """
    from pgvec.cli.commands import search

    patch.setattr(search, "open_database", lambda _url: nullcontext(engine))
    patch.setattr(search, "reflect_table", functools.cache(search.reflect_table))
