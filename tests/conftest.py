"""Lists the fixture plugins; each ``fix_*.py`` says what it provides."""

from __future__ import annotations

pytest_plugins = [
    "fix_level",
    "fix_folder",
    "fix_programs",
    "fix_server",
    "fix_database",
    "fix_migrated",
    "fix_repository",
    "fix_pgbouncer",
    "fix_dump",
    "fix_old_server",
    "fix_role",
    "fix_password",
    "fix_django",
    "fix_sync",
    "fix_model_server",
]
