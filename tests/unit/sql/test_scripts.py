"""The versioned scripts and the files around them agree with each other."""

from __future__ import annotations

import hashlib
import re
import shutil
from importlib import resources
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from pgvec.errors import ConfigurationError, InvalidOptionError
from pgvec.sql import find_script, frozen_checksums, migrations_path, scripts
from pgvec.sql.new import new_migration
from pgvec.sql.scripts import read_scripts

SCRIPTS = [script.name for script in scripts()]


def alembic_scripts(environment: Path) -> ScriptDirectory:
    return ScriptDirectory.from_config(Config(environment / "alembic.ini"))


def test_released_files_never_change():
    """Every file that frozen.txt lists still has the SHA-256 that it was released with."""
    folder = resources.files("pgvec.sql") / "migrations"
    now = {
        name: hashlib.sha256((folder / name).read_text(encoding="utf-8").encode()).hexdigest()
        for name in frozen_checksums()
    }
    assert now == frozen_checksums()


def test_both_ways_of_the_first_scripts_are_frozen():
    """The scripts of the first release are listed with both of their files."""
    assert {f"{name}.{way}.sql" for name in ("0001_schema", "0002_extension") for way in ("up", "down")} <= set(
        frozen_checksums()
    )


def test_alembic_runs_every_script_exactly_once():
    """Each revision names one script, each script has one revision, and the order is the same."""
    revisions = reversed(list(alembic_scripts(migrations_path()).walk_revisions()))
    assert [(revision.revision, revision.module.SCRIPT) for revision in revisions] == [
        (script.revision, script.name) for script in scripts()
    ]


def test_the_first_revision_carries_the_branch_label():
    """All revisions stand on the branch ``pgvec``, so they can live beside the user's own."""
    directory = alembic_scripts(migrations_path())
    assert directory.get_heads() == [scripts()[-1].revision]
    assert all(revision.branch_labels == {"pgvec"} for revision in directory.walk_revisions())


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_run_inside_a_transaction(name: str):
    """No script holds a statement that ends or refuses the transaction of the run."""
    script = find_script(name)
    words = f"{script.up}\n{script.down}".upper()
    assert not re.search(r"\bCONCURRENTLY\b|\bCOMMIT;|\bROLLBACK;|\bVACUUM\b", words)


@pytest.mark.parametrize("name", ["0002_extension", "0002", "2"])
def test_a_script_is_found_by_name_and_number(name: str):
    """Name, padded number and number mean the same script."""
    assert find_script(name).name == "0002_extension"


@pytest.mark.parametrize("name", ["", "0", "9999", "extension", "²", "base"])
def test_an_unknown_script_is_refused(name: str):
    """An unknown script raises, and the message lists the known ones."""
    with pytest.raises(InvalidOptionError, match="0001_schema, 0002_extension"):
        find_script(name)


def test_line_endings_do_not_change_a_checksum(tmp_path: Path):
    """A checkout with Windows line endings gives the same checksum."""
    for ending in ("up", "down"):
        name = f"0001_schema.{ending}.sql"
        text = (resources.files("pgvec.sql") / "migrations" / name).read_bytes()
        (tmp_path / name).write_bytes(text.replace(b"\n", b"\r\n"))
    assert read_scripts(tmp_path)[0].checksum == find_script("0001").checksum


def test_a_gap_in_the_numbers_is_refused(tmp_path: Path):
    """Numbers count from 0001."""
    (tmp_path / "0002_late.up.sql").touch()
    with pytest.raises(ConfigurationError, match="0002_late stands at place 1"):
        read_scripts(tmp_path)


def test_a_script_without_a_way_back_is_refused(tmp_path: Path):
    """Every up script has a down script."""
    (tmp_path / "0001_one_way.up.sql").touch()
    with pytest.raises(ConfigurationError, match=r"has no 0001_one_way\.down\.sql"):
        read_scripts(tmp_path)


def test_an_incomplete_installation_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Without the Alembic environment the error says what to do."""
    monkeypatch.setattr("pgvec.sql.location._PACKAGE", tmp_path)
    with pytest.raises(ConfigurationError, match="install pgvec again"):
        migrations_path()


def test_a_new_migration_gets_scripts_and_a_revision(tmp_path: Path):
    """The helper makes four files that fit behind the last script."""
    environment = tmp_path / "migrations"
    shutil.copytree(migrations_path(), environment, ignore=shutil.ignore_patterns("__pycache__"))
    number = f"{len(SCRIPTS) + 1:04d}"
    up, down, revision, django = new_migration("pre_search", folder=tmp_path, environment=environment, django=tmp_path)
    assert (up.name, down.name) == (f"{number}_pre_search.up.sql", f"{number}_pre_search.down.sql")
    assert up.exists()
    assert down.exists()
    assert revision.name == f"pgvec_{number}_pre_search.py"
    directory = alembic_scripts(environment)
    made = directory.get_revision(f"pgvec_{number}")
    assert directory.get_heads() == [made.revision]
    script = made.module.SCRIPT
    assert script == up.name.removesuffix(".up.sql")
    assert made.down_revision == scripts()[-1].revision
    assert django.name == f"{number}_pre_search.py"
    assert f'[RunPgvecSQL("{script}")]' in django.read_text()
    assert f'[("pgvec", "{SCRIPTS[-1]}")]' in django.read_text()


@pytest.mark.parametrize("name", ["search", "pre_Search", "pre_", "pre_a-b", "../pre_x"])
def test_a_new_migration_needs_a_telling_name(tmp_path: Path, name: str):
    """A name says whether the change comes before or after the new code."""
    with pytest.raises(InvalidOptionError, match="pre_"):
        new_migration(name, folder=tmp_path)
    assert not list(tmp_path.iterdir())
