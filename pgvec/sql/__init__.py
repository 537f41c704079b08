"""The versioned scripts of the Postgres schema ``pgvec``, and the record of what was run."""

from pgvec.sql.location import migrations_path
from pgvec.sql.record import SCHEMA, migration_record
from pgvec.sql.scripts import Script, find_script, frozen_checksums, query_text, scripts

__all__ = [
    "SCHEMA",
    "Script",
    "find_script",
    "frozen_checksums",
    "migration_record",
    "migrations_path",
    "query_text",
    "scripts",
]
