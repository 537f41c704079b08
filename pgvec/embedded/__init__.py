"""A local PostgreSQL server with pgvector, for tests and for trying things out; not for production."""

from __future__ import annotations

from pgvec.embedded.server import EmbeddedServer, ServerStatus

__all__ = ["EmbeddedServer", "ServerStatus"]
