"""What pgvec needs to know of a server before it can write SQL for it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ServerFacts"]


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """Facts that do not change while an application runs.

    Attributes:
        server_version: As ``server_version_num`` gives it: 180006 is 18.6.
        extension_version: Version of the extension ``vector``.
        extension_schema: Postgres schema that the extension lives in.
    """

    server_version: int
    extension_version: str
    extension_schema: str
