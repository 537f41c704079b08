"""The page on the command line names everything that there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

typer = pytest.importorskip("typer", reason="the extra cli is not installed")

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def commands() -> Iterator[tuple[str, Any]]:
    from pgvec.cli.app import app

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for child, inner in getattr(command, "commands", {}).items():
            yield from walk(f"{name} {child}", inner)

    yield from walk("pgvec", typer.main.get_command(app))


def section(name: str) -> str:
    """Return the part of the page that describes a command, with what all commands have in common."""
    heading = "## `" + " ".join(name.split()[:2]) + "`"
    common = PAGE.partition("## What all commands have in common")[2].partition("\n## ")[0]
    return common + PAGE.partition(heading)[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_and_option_is_documented(name: str) -> None:
    """A command stands in the page, and its section has every option of it."""
    command = dict(commands())[name]
    assert f"`{name}" in PAGE or name == "pgvec"
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    missing = {option for option in options if f"`{option}`" not in section(name)}
    assert not missing


def test_no_option_is_documented_that_does_not_exist() -> None:
    """Every option that a table of the page explains belongs to some command."""
    known = {option for _, command in commands() for parameter in command.params for option in parameter.opts} | {
        "-h",
        "--help",
    }
    explained = set(re.findall(r"`(--?[a-z-]+)`", PAGE)) - {"--"}
    assert explained <= known


def test_exit_codes_are_documented() -> None:
    """The table of exit codes has those that the program uses."""
    from pgvec.cli import errors

    codes = (errors.OK, errors.DATA, errors.USAGE, errors.INTERRUPTED)
    assert all(f"\n| {code} |" in PAGE for code in codes)
