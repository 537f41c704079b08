"""What is known of the Postgres schema ``pgvec`` of one database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["AppliedScript", "MigrationStatus"]


@dataclass(frozen=True, slots=True)
class AppliedScript:
    """A script that was run, as the table ``pgvec.migration`` tells it.

    Attributes:
        name: Name of the script.
        checksum: SHA-256 of the script as it was run.
        applied_at: Start of the transaction that ran it, with time zone.
        applied_by: Role that ran it.
    """

    name: str
    checksum: str
    applied_at: datetime
    applied_by: str


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """Where a database stands against the scripts of this installation.

    Attributes:
        current: Last script that was run, or None in a database that pgvec has not touched.
        head: Last script of this installation.
        pending: Scripts that are still to be run, in order.
        applied: Scripts that were run, in order.
        unknown: Scripts that were run by a newer pgvec than this one.
        changed: Scripts that were run with another content than this installation has.
        extension_version: Version of the extension ``vector`` in this database, or None.
    """

    current: str | None
    head: str
    pending: tuple[str, ...]
    applied: tuple[AppliedScript, ...]
    unknown: tuple[str, ...]
    changed: tuple[str, ...]
    extension_version: str | None

    @property
    def is_current(self) -> bool:
        """Whether nothing is pending and nothing differs; scripts of a newer pgvec do no harm."""
        return not self.pending and not self.changed
