"""The entry point of the program ``pgvec``."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import signal
import sys
from types import FrameType

from pgvec.errors import MissingDependencyError

__all__ = ["main"]

_USAGE = 2
_TERMINATED = 128 + signal.SIGTERM


def main() -> None:
    """Run the command line and exit with its code."""
    if any(importlib.util.find_spec(name) is None for name in ("typer", "rich")):
        sys.stderr.write(f"pgvec: {MissingDependencyError.for_extra('cli', 'The command line')}\n")
        sys.exit(_USAGE)
    # Needs the packages that were just looked for.
    from pgvec.cli.app import app  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        # Data may hold characters that the terminal's encoding lacks.
        with contextlib.suppress(AttributeError, io.UnsupportedOperation):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    app(prog_name="pgvec")


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    """Leave in order, so that a server that was started for the command stops with it."""
    sys.exit(_TERMINATED)
