"""From errors to exit codes and messages."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("typer", reason="the extra cli is not installed")

from support.command_line import run_pgvec as invoke

from pgvec import errors
from pgvec.cli import options
from pgvec.cli.commands import migrate as migrate_command
from pgvec.cli.errors import exit_code

STATUS = ["migrate", "status", "--url", "postgresql:///nowhere"]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Make the command in ``STATUS`` raise what is given."""

    def prepare(error: BaseException) -> None:
        def fail(_target: object) -> None:
            raise error

        monkeypatch.setattr(migrate_command.migrate, "status", fail)

    return prepare


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigurationError("x"), 2),
        (errors.MissingDependencyError.for_extra("local", "x"), 2),
        (errors.InvalidOptionError("x"), 2),
        (errors.InvalidFilterError("x"), 2),
        (errors.DimensionMismatchError("x"), 2),
        (errors.AmbiguousColumnError("x"), 2),
        (errors.InvalidRowError("x"), 1),
        (errors.DuplicateRecordError("x"), 1),
        (errors.MappingMismatchError("x"), 1),
        (errors.ExtensionMissingError("x"), 1),
        (errors.ConnectionFailedError("x"), 1),
        (errors.ServerError("x"), 1),
        (RuntimeError("x"), 1),
    ],
)
def test_exit_codes(error: Exception, code: int):
    """2 says that another command line would help, 1 that the database, the data or the machine are at fault."""
    assert exit_code(error) == code


def test_an_error_is_one_line(failing: Any):
    """The message goes to stderr in one line, without a traceback and without control characters."""
    failing(errors.QueryError("no\nsuch\x1b[31m thing [bold]x[/bold]"))
    result = invoke(*STATUS)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "pgvec: error: no such\\x1b[31m thing [bold]x[/bold]\n"


@pytest.mark.parametrize("arguments", [["--debug", *STATUS], [*STATUS, "--debug"]])
def test_debug_shows_the_traceback(failing: Any, arguments: list[str]):
    """The option works before and after the command."""
    failing(errors.QueryError("no such thing"))
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "no such thing" in result.stderr


def test_an_unexpected_error_names_its_kind(failing: Any):
    """What is not pgvec's own error says what it is, and how to see more."""
    failing(ZeroDivisionError("oh"))
    result = invoke(*STATUS)
    assert result.exit_code == 1
    assert result.stderr == "pgvec: error: ZeroDivisionError: oh  (--debug shows where)\n"


def test_ctrl_c_is_no_error(failing: Any):
    """An interruption ends with 130 and a word."""
    failing(KeyboardInterrupt())
    result = invoke(*STATUS)
    assert (result.exit_code, result.stderr) == (130, "pgvec: interrupted\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["search"],
        ["search", "x"],
        ["search", "x", "--table", "t", "--limit", "many"],
        ["search", "--table", "t"],
        ["search", "x", "--vector", "[1]", "--table", "t"],
        ["search", "--vector", "{}", "--table", "t"],
        ["search", "x", "--table", "t", "--where", "{"],
        ["search", "x", "--table", "t", "--where", "[]"],
        ["search", "x", "--table", "t", "--columns", "a,,b"],
        ["search", "x", "--table", "t", "--url", "mysql://localhost/x"],
        ["search", "x", "--table", "t\0"],
        ["search", "x", "--table", "t", "--where", "\udcff"],
        ["load", "nowhere.csv", "--table", "t"],
        ["load", "-", "--table", "t"],
        ["load", __file__, "--table", "t"],
        ["load", "-", "--format", "csv", "--table", "t", "--delimiter", "||"],
        ["load", "-", "--format", "jsonl", "--table", "t", "--delimiter", ";"],
        ["load", "-", "--format", "csv", "--table", "t", "--encoding", "klingon"],
        ["load", "-", "--format", "csv", "--table", "t", "--into", "embedding"],
        ["migrate", "sql", "--to", "9999"],
    ],
)
def test_usage_errors_exit_with_2(arguments: list[str]):
    """A command line that cannot be meant is refused before anything is connected to."""
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_names_are_separated_by_commas():
    """Lists of names may have spaces after their commas."""
    assert options.names_in("a, b,c", "--columns") == ("a", "b", "c")
    assert options.names_in(None, "--columns") is None


def test_version_is_printed():
    """``pgvec --version`` prints the version alone."""
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("pgvec ")


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_its_extra_the_program_says_what_to_install(package: str):
    """One line on stderr names the command, and the exit code is 2."""
    program = f"import sys; sys.modules[{package!r}] = None; from pgvec.cli.main import main; main()"
    result = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "pip install 'pgvec[cli]'" in result.stderr


def test_migrate_sql_connects_to_nothing(monkeypatch: pytest.MonkeyPatch):
    """The SQL is printed as it is, and can be given to psql."""
    monkeypatch.setenv("PGVEC_URL", "postgresql://localhost:1/nowhere")
    result = invoke("migrate", "sql", "--from", "base", "--to", "head")
    assert result.exit_code == 0
    assert result.stdout.rstrip().endswith("COMMIT;")
