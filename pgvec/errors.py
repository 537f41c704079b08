"""Every error that pgvec raises, in one tree.

::

    PgvecError
    ├─ ConfigurationError
    │  ├─ MissingDependencyError (ImportError)
    │  └─ ModelMismatchError
    ├─ InvalidInputError (ValueError)
    │  ├─ DimensionMismatchError
    │  ├─ InvalidFilterError
    │  ├─ InvalidOptionError
    │  ├─ InvalidRowError
    │  └─ UnreadableFileError
    ├─ MappingError (TypeError)
    │  ├─ NotAnEmbeddingColumnError
    │  ├─ AmbiguousColumnError
    │  └─ MappingMismatchError
    ├─ RecordError
    │  ├─ RecordNotFoundError (LookupError)
    │  ├─ DuplicateRecordError
    │  │  └─ NearDuplicateError
    │  └─ EmbeddingNotLoadedError
    ├─ SchemaError
    │  ├─ ExtensionMissingError
    │  ├─ ExtensionTooOldError
    │  ├─ MigrationPendingError
    │  └─ IndexNotFoundError (LookupError)
    ├─ QueryError
    │  ├─ ConnectionFailedError (OSError)
    │  ├─ AuthenticationFailedError
    │  ├─ AccessDeniedError
    │  ├─ QueryTimeoutError (TimeoutError)
    │  └─ TransientQueryError
    ├─ EmbeddingError
    │  ├─ EmbedderUnavailableError
    │  └─ EmbedderResponseError
    ├─ ChatError
    │  ├─ ChatUnavailableError
    │  └─ ChatResponseError
    ├─ RerankError
    │  ├─ RerankerUnavailableError
    │  └─ RerankerResponseError
    ├─ SyncError
    │  └─ SyncTimeoutError (TimeoutError)
    └─ ServerError (OSError)

A message says what happened, with which value, and what to do. Programs read attributes instead of parsing messages.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import DontWrapMixin

__all__ = [
    "AccessDeniedError",
    "AmbiguousColumnError",
    "AuthenticationFailedError",
    "ChatError",
    "ChatResponseError",
    "ChatUnavailableError",
    "ConfigurationError",
    "ConnectionFailedError",
    "DimensionMismatchError",
    "DuplicateRecordError",
    "EmbedderResponseError",
    "EmbedderUnavailableError",
    "EmbeddingError",
    "EmbeddingNotLoadedError",
    "ExtensionMissingError",
    "ExtensionTooOldError",
    "IndexNotFoundError",
    "InvalidFilterError",
    "InvalidInputError",
    "InvalidOptionError",
    "InvalidRowError",
    "MappingError",
    "MappingMismatchError",
    "MigrationPendingError",
    "MissingDependencyError",
    "ModelMismatchError",
    "NearDuplicateError",
    "NotAnEmbeddingColumnError",
    "PgvecError",
    "QueryError",
    "QueryTimeoutError",
    "RecordError",
    "RecordNotFoundError",
    "RerankError",
    "RerankerResponseError",
    "RerankerUnavailableError",
    "SchemaError",
    "ServerError",
    "SyncError",
    "SyncTimeoutError",
    "TransientQueryError",
    "UnreadableFileError",
]


class PgvecError(Exception):
    """Base of every error that pgvec raises on purpose."""

    def __init__(self, message: str, **attributes: Any) -> None:
        """Keep ``attributes`` as attributes of the error, for programs that handle it."""
        super().__init__(message)
        self.message = message
        self.__dict__.update(attributes)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, {k: v for k, v in self.__dict__.items() if k != "message"}))


def _rebuild(kind: type[PgvecError], message: str, attributes: dict[str, Any]) -> PgvecError:
    return kind(message, **attributes)


class ConfigurationError(PgvecError):
    """A setting, an engine or an installation cannot be used as it is."""


class MissingDependencyError(ConfigurationError, ImportError):
    """An optional package is not installed; ``extra`` names what installs it."""

    extra: str

    @classmethod
    def for_extra(cls, extra: str, purpose: str) -> MissingDependencyError:
        """Build the error for a feature (``purpose``, a noun phrase) that the extra ``extra`` installs."""
        return cls(f"{purpose} needs an optional package: run  pip install 'pgvec[{extra}]'", extra=extra)


class ModelMismatchError(ConfigurationError):
    """A text would be searched with another model than the one whose vectors are stored."""


class InvalidInputError(PgvecError, ValueError, DontWrapMixin):
    """A value that the caller gave cannot be used; a flush of SQLAlchemy raises it as it is, too."""


class DimensionMismatchError(InvalidInputError):
    """A vector has another number of dimensions than the column; see ``expected`` and ``actual``."""

    expected: int
    actual: int


class InvalidFilterError(InvalidInputError):
    """A filter names an unknown key or operator, or compares with a value of the wrong type."""


class InvalidOptionError(InvalidInputError):
    """An argument is outside of what it may be."""


class InvalidRowError(InvalidInputError):
    """A row of a load or write cannot be stored; ``position`` counts from 1 in the order given, None where it is not known."""

    position: int | None = None


class UnreadableFileError(InvalidInputError):
    """A file cannot be read as a document; ``reason`` says why."""

    reason: str | None = None


class MappingError(PgvecError, TypeError):
    """A model or table is not declared in a way that pgvec can use."""


class NotAnEmbeddingColumnError(MappingError):
    """The named column does not exist or holds no vectors."""


class AmbiguousColumnError(MappingError):
    """More than one column (or distance) would fit; name one."""


class MappingMismatchError(MappingError):
    """The mapping and the database differ."""


class RecordError(PgvecError):
    """A record is not in the state that the call needs."""


class RecordNotFoundError(RecordError, LookupError):
    """No record has the key that was given."""


class DuplicateRecordError(RecordError):
    """A record with this key exists already; in a load, ``position`` counts rows from 1 in the order given."""

    position: int | None = None
    constraint: str | None = None


class NearDuplicateError(DuplicateRecordError):
    """A duplicate guard refused a record: ``key`` names it, ``near`` the stored one within ``distance`` of it, as JSON objects."""

    key: str | None = None
    near: str | None = None
    distance: float | None = None


class EmbeddingNotLoadedError(RecordError):
    """The embedding of a record was read although it was not fetched."""


class SchemaError(PgvecError):
    """The database lacks something that pgvec needs."""


class ExtensionMissingError(SchemaError):
    """The extension ``vector`` is not installed in this database."""


class ExtensionTooOldError(SchemaError):
    """The extension ``vector`` is older than pgvec supports; see ``installed`` and ``required``."""

    installed: str
    required: str


class MigrationPendingError(SchemaError):
    """The schema ``pgvec`` of this database is not at the version that the library needs."""


class IndexNotFoundError(SchemaError, LookupError):
    """No such index."""


class QueryError(PgvecError):
    """Postgres refused a statement; ``sqlstate`` and ``constraint`` say why (None where it gave none)."""

    sqlstate: str | None = None
    constraint: str | None = None


class ConnectionFailedError(QueryError, OSError):
    """The server cannot be reached."""


class AuthenticationFailedError(QueryError):
    """The server refused the user, the password or the database."""


class AccessDeniedError(QueryError):
    """The role may not do this, or the server or transaction is read-only."""


class QueryTimeoutError(QueryError, TimeoutError):
    """The statement was cancelled by a timeout of the server."""


class TransientQueryError(QueryError):
    """The statement may succeed when the transaction is run again (deadlock, serialization, lost connection)."""


class EmbeddingError(PgvecError):
    """Text or media could not be embedded."""


class EmbedderUnavailableError(EmbeddingError):
    """The model cannot be reached or loaded now; trying again may help, after ``retry_after_seconds`` where it said so."""

    retry_after_seconds: float | None = None


class EmbedderResponseError(EmbeddingError):
    """The model answered with something that is not one finite vector for each input."""


class RerankError(PgvecError):
    """What was found could not be put into the order of a reranker."""


class RerankerUnavailableError(RerankError):
    """The model cannot be reached or loaded now; trying again may help, after ``retry_after_seconds`` where it said so."""

    retry_after_seconds: float | None = None


class RerankerResponseError(RerankError):
    """The model answered with something that is not one finite score for each text."""


class ChatError(PgvecError):
    """A chat model gave no whole answer; ``partial`` is what had come of it until then."""

    partial: str = ""


class ChatUnavailableError(ChatError):
    """The chat model cannot be reached, is overloaded or too slow; ``retry_after_seconds`` is what it asked for."""

    retry_after_seconds: float | None = None


class ChatResponseError(ChatError):
    """The chat model answered with something that is no whole answer."""


class SyncError(PgvecError):
    """Embeddings cannot be kept in step with their text as it was declared or asked for."""

    sqlstate: str | None = None


class SyncTimeoutError(SyncError, TimeoutError):
    """Rows still wait for their embedding; ``backlog`` says how many."""

    backlog: int


class ServerError(PgvecError, OSError):
    """The embedded server cannot be installed, started or stopped."""
