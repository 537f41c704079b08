"""The public API: one repository for a model, synchronous or asynchronous."""

from pgvec.repository.async_repository import AsyncRepository
from pgvec.repository.repository import Repository

__all__ = ["AsyncRepository", "Repository"]
