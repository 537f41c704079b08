"""The migrations of an installed wheel, away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
USE = """
import sys
from pathlib import Path
from pgvec.execution import migrate
from pgvec.sql import frozen_checksums, migrations_path

site = Path(sys.argv[1])
assert migrations_path() == site / "pgvec" / "_migrations", migrations_path()
assert frozen_checksums()
assert migrate.up(sys.argv[2])
assert migrate.status(sys.argv[2]).is_current
"""


@pytest.mark.full
def test_migrations_travel_in_the_wheel(tmp_path: Path, empty_database_url: str):
    """A wheel holds the environment as ``pgvec/_migrations``, no other top-level package, and migrates where it is installed."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, CHECKOUT], check=True)
    (wheel,) = tmp_path.glob("pgvec-*.whl")
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pgvec"}
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PGVEC_")}
    subprocess.run(
        [sys.executable, "-c", USE, site, empty_database_url],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(site)},
        check=True,
    )
