"""Runs the command line inside of the test."""

from __future__ import annotations

import inspect
from typing import Any

from typer.testing import CliRunner

# click mixed the two streams by default before 8.2.
_APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner.__init__).parameters else {}


def run_pgvec(*arguments: str, **options: Any) -> Any:
    """Run ``pgvec`` with arguments; the result has ``exit_code``, ``stdout`` and ``stderr``."""
    from pgvec.cli.app import app

    return CliRunner(**_APART).invoke(app, list(arguments), **options)
