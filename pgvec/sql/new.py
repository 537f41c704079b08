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
_DJANGO = Path(__file__).parents[1] / "integrations" / "django" / "migrations"
_DJANGO_MIGRATION = '''"""The script ``{script}``."""

from __future__ import annotations

from django.db import migrations

from pgvec.integrations.django.operations import RunPgvecSQL


class Migration(migrations.Migration):
    """Run the script, or take it back."""

    dependencies: list[tuple[str, str]] = [("pgvec", "{previous}")]
    operations = [RunPgvecSQL("{script}")]
'''


def new_migration(
    name: str, *, folder: Path = _FOLDER, environment: Path | None = None, django: Path = _DJANGO
) -> list[Path]:
    """Write an empty up and down script, the Alembic revision and the Django migration that run them; return the four paths.

    Args:
        name: ``pre_...`` for a change that the code of the previous release can live with, ``post_...`` for the clean-up
            after it.
        folder: Where the scripts lie.
        environment: The Alembic environment; the one of this checkout unless given.
        django: Where the Django migrations lie.

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
    migration = django / f"{number}_{name}.py"
    migration.write_text(_DJANGO_MIGRATION.format(script=migration.stem, previous=scripts()[-1].name), encoding="utf-8")
    return [*paths, Path(revision.path), migration]


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
