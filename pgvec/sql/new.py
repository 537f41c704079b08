"""Makes the files of a new migration: ``python -m pgvec.sql.new NAME`` in a checkout."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script.base import Script as AlembicScript

from pgvec.errors import InvalidOptionError
from pgvec.sql.location import migrations_path
from pgvec.sql.scripts import scripts

__all__ = ["main", "new_migration"]

_NAME = re.compile(r"(pre|post)_[a-z0-9_]+")
_FOLDER = Path(__file__).with_name("migrations")


def new_migration(name: str, *, folder: Path = _FOLDER, environment: Path | None = None) -> list[Path]:
    """Write an empty up and down script and the Alembic revision that runs them, and return the three paths.

    Args:
        name: ``pre_...`` for a change that the code of the previous release can live with, ``post_...`` for the clean-up
            after it.
        folder: Where the scripts lie.
        environment: The Alembic environment; the one of this checkout unless given.

    Raises:
        InvalidOptionError: The name is of another form.
    """
    if not _NAME.fullmatch(name):
        raise InvalidOptionError(f"Name the migration pre_... or post_... in a-z, 0-9 and _, not {name!r}")
    number = f"{len(scripts()) + 1:04d}"
    paths = [folder / f"{number}_{name}.{way}.sql" for way in ("up", "down")]
    for path in paths:
        path.touch(exist_ok=False)
    config = Config((environment or migrations_path()) / "alembic.ini", stdout=io.StringIO())
    revision = command.revision(config, message=name, rev_id=f"pgvec_{number}", head="pgvec@head")
    assert isinstance(revision, AlembicScript)
    return [*paths, Path(revision.path)]


def main() -> None:
    """Make the migration that the command line names."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m pgvec.sql.new NAME")
    try:
        made = new_migration(sys.argv[1])
    except InvalidOptionError as exc:
        sys.exit(str(exc))
    for path in made:
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
