"""From errors to exit codes: one readable line on stderr, and the traceback only where it was asked for."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from pgvec.cli.output import visible
from pgvec.errors import ConfigurationError, InvalidInputError, InvalidRowError, MappingError, MappingMismatchError

__all__ = ["DATA", "INTERRUPTED", "OK", "USAGE", "ErrorReportingGroup", "exit_code", "remember_debug"]

OK = 0
DATA = 1
USAGE = 2
INTERRUPTED = 130

_DEBUG = "pgvec.debug"


class ErrorReportingGroup(TyperGroup):
    """The root of all commands: what they raise ends here."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; turn its error into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _say("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # somebody read the beginning only, as head does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(OK) from None
        except Exception as error:
            if _passes_through(error):
                raise
            if ctx.meta.get(_DEBUG):
                typer.echo(visible(traceback.format_exc()), err=True)
            else:
                _say(f"error: {_one_line(error)}")
            raise typer.Exit(exit_code(error)) from error


def remember_debug(ctx: typer.Context, value: bool) -> bool:
    """Note that the traceback is wanted, wherever in the command the option stands."""
    if value:
        ctx.meta[_DEBUG] = True
    return value


def exit_code(error: BaseException) -> int:
    """Return 2 where another command line would help, 1 where the database, the data or the machine are at fault."""
    if isinstance(error, InvalidRowError | MappingMismatchError):
        return DATA
    return USAGE if isinstance(error, ConfigurationError | InvalidInputError | MappingError) else DATA


def _passes_through(error: Exception) -> bool:
    # typer has its own errors of usage, in some versions inside of a package of another name.
    return isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "format_message")


def _one_line(error: Exception) -> str:
    known = type(error).__module__ == "pgvec.errors"
    text = str(error) if known else f"{type(error).__name__}: {error}"
    hint = "" if known else "  (--debug shows where)"
    return visible(" ".join(text.split())) + hint


def _say(text: str) -> None:
    typer.echo(f"pgvec: {text}", err=True)
