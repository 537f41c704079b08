"""Loads the versioned scripts; Alembic, Django and the command line run these and no others."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from pgvec.errors import ConfigurationError, InvalidOptionError

__all__ = ["Script", "find_script", "frozen_checksums", "query_text", "read_scripts", "scripts"]

_UP_FILE = re.compile(r"(\d{4}_[a-z0-9_]+)\.up\.sql")


@dataclass(frozen=True, slots=True)
class Script:
    """One step of the schema and the way back.

    Attributes:
        name: Four digits and words, ``0002_extension``; names sort in the order in which scripts run.
        up: SQL that takes the step; may hold several statements, and runs raw (nothing in it is a bind parameter).
        down: SQL that takes it back.
    """

    name: str
    up: str
    down: str

    @property
    def number(self) -> int:
        """The place in the order, from 1."""
        return int(self.name[:4])

    @property
    def revision(self) -> str:
        """The Alembic revision that runs this script; the prefix keeps it apart from the user's own revisions."""
        return f"pgvec_{self.name[:4]}"

    @property
    def checksum(self) -> str:
        """SHA-256 of ``up`` in hexadecimal, the same for every line ending of the checkout."""
        return hashlib.sha256(self.up.encode()).hexdigest()


@cache
def scripts() -> tuple[Script, ...]:
    """Return every script in the order in which they run."""
    return read_scripts(resources.files("pgvec.sql") / "migrations")


def read_scripts(folder: Traversable) -> tuple[Script, ...]:
    """Return the scripts of a folder in the order in which they run.

    Raises:
        ConfigurationError: The numbers have a gap, or a way back is missing.
    """
    files = {entry.name: entry for entry in folder.iterdir()}
    names = sorted(match[1] for match in map(_UP_FILE.fullmatch, files) if match)
    for place, name in enumerate(names, start=1):
        if int(name[:4]) != place:
            raise ConfigurationError(f"Script {name} stands at place {place}; numbers count from 0001 without gaps")
        if f"{name}.down.sql" not in files:
            raise ConfigurationError(f"Script {name}.up.sql has no {name}.down.sql")
    return tuple(
        Script(
            name,
            up=files[f"{name}.up.sql"].read_text(encoding="utf-8"),
            down=files[f"{name}.down.sql"].read_text(encoding="utf-8"),
        )
        for name in names
    )


def find_script(name: str) -> Script:
    """Return a script by its name (``0002_extension``) or number (``0002``, ``2``).

    Raises:
        InvalidOptionError: No script has that name.
    """
    number = int(name) if name.isascii() and name.isdecimal() else None
    for script in scripts():
        if script.name == name or script.number == number:
            return script
    known = ", ".join(script.name for script in scripts())
    raise InvalidOptionError(f"There is no migration {name!r}; known: {known}")


def query_text(name: str) -> str:
    """Return the text of a query of pgvec's own, by its name without ``.sql``."""
    return (resources.files("pgvec.sql") / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def frozen_checksums() -> dict[str, str]:
    """Return the SHA-256 of each released file by file name; a released file never changes."""
    text = (resources.files("pgvec.sql") / "frozen.txt").read_text(encoding="utf-8")
    return {name: checksum for checksum, name in (line.split() for line in text.splitlines())}
