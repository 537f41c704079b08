"""What triggers keep and a model declares in ``Meta.indexes``: keyword indexes, and embeddings that follow their text.

To Django they are indexes, so ``makemigrations`` adds and removes them; in the database each is a call of a function.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.backends.ddl_references import Columns, Statement, Table
from django.db.backends.utils import names_digest
from django.db.models.signals import class_prepared

from pgvec.errors import InvalidOptionError
from pgvec.integrations.django.fields import EmbeddingField
from pgvec.model import Backfill
from pgvec.orm import KeywordIndex as _KeywordOptions
from pgvec.orm.rules import choose, whole_number

__all__ = ["EmbeddingSync", "KeywordIndex", "declared_syncs"]

_CREATE_KEYWORD = (
    "SELECT pgvec.create_keyword_index(%(table)s, ARRAY[%(columns)s]::text[], ARRAY[%(weights)s]::numeric[], %(config)s, "
    "%(name)s, %(k1)s, %(b)s)"
)
_DROP_KEYWORD = "SELECT pgvec.drop_keyword_index(%(table)s, %(name)s)"
# Django drops a table without its indexes, since Postgres does that for it; a sync of such a table would be in the way.
_CREATE_SYNC = (
    "SELECT pgvec.sync_drop(s.name) FROM pgvec.embedding_sync AS s "
    "WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = s.source_table); "
    "SELECT pgvec.sync_create(%(table)s, ARRAY[%(columns)s]::text[], %(column)s, %(embedder)s, "
    "template => %(document)s, priority => %(priority)s, backfill => %(backfill)s)"
)
_DROP_SYNC = (
    "SELECT pgvec.sync_drop(s.name) FROM pgvec.embedding_sync AS s "
    "WHERE s.source_table = %(table)s::regclass AND s.target_column = %(column)s"
)
_MOST_PRIORITY = 2**31 - 1


class _Kept(models.Index):
    """What Django takes for an index on text fields, and a function of the schema ``pgvec`` makes."""

    def __init__(self, fields: Sequence[str], name: str | None) -> None:
        if isinstance(fields, str) or any(not isinstance(one, str) or one.startswith("-") for one in fields):
            raise InvalidOptionError(f"fields={fields!r:.60} has to be a list of names of fields")
        super().__init__(fields=list(fields), name=name)

    def deconstruct(self) -> tuple[Any, Any, Any]:
        """Tell migrations how to make this."""
        _path, args, kwargs = super().deconstruct()
        # Were the name all that differs, Django would rename an index of Postgres, of which there is none.
        kwargs["called"] = self.name
        return f"pgvec.integrations.django.{type(self).__name__}", args, kwargs

    def set_name_with_model(self, model: Any) -> None:
        """Name it after table and fields."""
        super().set_name_with_model(model)
        self.name: str = _plain(self.name)

    def _statement(self, call: str, model: Any, schema_editor: Any, concurrently: bool, **parts: Any) -> Statement:
        if concurrently:
            raise InvalidOptionError(
                f"{type(self).__name__} {self.name!r} is not built CONCURRENTLY: its triggers and its first rows belong into one "
                "transaction; take AddIndex or RemoveIndex"
            )
        table = model._meta.db_table
        columns = [model._meta.get_field(name).column for name in self.fields]
        return Statement(
            call,
            # The text by which Postgres finds the table.
            table=Table(table, lambda name: _literal(schema_editor.quote_name(name))),
            columns=Columns(table, columns, _literal),
            **parts,
        )

    def _removal(self, call: str, model: Any, schema_editor: Any, concurrently: bool, **parts: str) -> Statement:
        statement = self._statement(call, model, schema_editor, concurrently, **parts)
        # Django hands this to the driver with parameters, of which there are none.
        statement.parts = {name: str(part).replace("%", "%%") for name, part in statement.parts.items()}
        return statement


class KeywordIndex(_Kept):
    """A keyword index: the words of text fields, for search by BM25, current in the transaction of every write.

    Args:
        fields: Names of the fields of texts, in a list.
        weights: How much a word counts in each field, from 0.001 to 1,000; 1 for all by default. At most four differ.
        config: Text search configuration of Postgres: language, stemming and stop words.
        k1: BM25's k1, greater than 0: how soon further occurrences of a word stop to count.
        b: BM25's b, from 0 to 1: how much long documents are held back.
        name: Name of the index, also for ``hybrid_search(..., index=)``; made from the fields by default.
        called: The name once more, as migrations write it.

    Raises:
        InvalidOptionError: An option is out of its range.
    """

    suffix = "kwd"

    def __init__(
        self,
        *,
        fields: Sequence[str] = (),
        weights: Sequence[float] | None = None,
        config: str = "english",
        k1: float = 1.2,
        b: float = 0.75,
        name: str | None = None,
        called: str | None = None,  # noqa: ARG002 - see deconstruct
    ) -> None:
        self.options = _KeywordOptions(*fields, weights=weights, config=config, k1=k1, b=b)
        self.weights = None if weights is None else list(weights)
        super().__init__(fields, name)

    def deconstruct(self) -> tuple[Any, Any, Any]:
        """Tell migrations how to make this index."""
        path, args, kwargs = super().deconstruct()
        options, usual = self.options, _KeywordOptions("any")
        if self.weights is not None:
            kwargs["weights"] = self.weights
        given = {name: getattr(options, name) for name in ("config", "k1", "b")}
        kwargs.update({name: value for name, value in given.items() if value != getattr(usual, name)})
        return path, args, kwargs

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **kwargs: Any) -> Statement:  # noqa: ARG002
        """Write the call that makes the index."""
        options = self.options
        return self._statement(
            _CREATE_KEYWORD,
            model,
            schema_editor,
            kwargs.get("concurrently", False),
            weights=", ".join(f"{weight:g}" for weight in options.weights),
            config=_literal(options.config),
            name=_literal(self.name),
            k1=repr(options.k1),
            b=repr(options.b),
        )

    def remove_sql(self, model: Any, schema_editor: Any, **kwargs: Any) -> Statement:
        """Write the call that drops the index."""
        concurrently = kwargs.get("concurrently", False)
        return self._removal(_DROP_KEYWORD, model, schema_editor, concurrently, name=_literal(self.name))


class EmbeddingSync(_Kept):
    """An embedding field that follows text fields of its own model: triggers note what changed, workers embed it.

    ``EmbeddingField(384, source=("title", "body"), embedder="minilm")`` declares the same in short.

    Args:
        fields: Names of the fields that the text is made from, in order.
        column: Name of the embedding field that takes the embeddings.
        embedder: Name of the embedder, which a worker resolves.
        template: Text with ``{column}`` for values; None puts the values one after the other, an empty line between them.
        priority: Workers turn to higher ones first.
        backfill: Which rows that are there when the migration runs are embedded: ``all``, ``missing`` or ``none``.
        name: What migrations call it; made from the fields by default.
        called: The name once more, as migrations write it.

    Raises:
        InvalidOptionError: An option is out of its range.
    """

    suffix = "syn"

    def __init__(
        self,
        *,
        fields: Sequence[str],
        column: str,
        embedder: str,
        template: str | None = None,
        priority: int = 0,
        backfill: Backfill | str = Backfill.ALL,
        name: str | None = None,
        called: str | None = None,  # noqa: ARG002 - see deconstruct
    ) -> None:
        for option, value in (("column", column), ("embedder", embedder)):
            if not isinstance(value, str) or not value or "\0" in value:
                raise InvalidOptionError(f"{option}={value!r:.60} has to be a name")
        if template is not None and (not isinstance(template, str) or "\0" in template):
            raise InvalidOptionError(
                f"template={template!r:.60} has to be a text, with {{column}} for the value of a column"
            )
        self.column = column
        self.embedder = embedder
        self.template = template
        self.priority = whole_number(priority, "priority", -_MOST_PRIORITY, _MOST_PRIORITY)
        self.backfill = choose(Backfill, backfill, "backfill")
        super().__init__(fields, name)

    def deconstruct(self) -> tuple[Any, Any, Any]:
        """Tell migrations how to make this."""
        path, args, kwargs = super().deconstruct()
        kwargs.update(column=self.column, embedder=self.embedder)
        if self.template is not None:
            kwargs["template"] = self.template
        if self.priority:
            kwargs["priority"] = self.priority
        if self.backfill is not Backfill.ALL:
            kwargs["backfill"] = str(self.backfill)
        return path, args, kwargs

    def set_name_with_model(self, model: Any) -> None:
        """Name it after the embedding field, which has one sync only."""
        table = model._meta.db_table.rpartition(".")[2].replace('"', "")
        digest = names_digest(table, self.column, self.suffix, length=6)
        self.name = _plain(f"{table[:11]}_{self.column[:7]}_{digest}_{self.suffix}")

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **kwargs: Any) -> Statement:  # noqa: ARG002
        """Write the call that declares the sync, or brings it up to date."""
        return self._statement(
            _CREATE_SYNC,
            model,
            schema_editor,
            kwargs.get("concurrently", False),
            column=_literal(model._meta.get_field(self.column).column),
            embedder=_literal(self.embedder),
            document="NULL" if self.template is None else _literal(self.template),
            priority=str(self.priority),
            backfill=_literal(str(self.backfill)),
        )

    def remove_sql(self, model: Any, schema_editor: Any, **kwargs: Any) -> Statement:
        """Write the call that removes the sync; the embeddings stay."""
        concurrently = kwargs.get("concurrently", False)
        column = _literal(model._meta.get_field(self.column).column)
        return self._removal(_DROP_SYNC, model, schema_editor, concurrently, column=column)


def declared_syncs(model: Any) -> list[EmbeddingSync]:
    """Return the syncs that a model declares."""
    return [index for index in model._meta.indexes if isinstance(index, EmbeddingSync)]


def _add_syncs_of_fields(sender: Any, **_: Any) -> None:
    """Declare the syncs of fields that name an embedder."""
    # Models of migrations have in their indexes what the migrations say.
    if sender.__module__ == "__fake__":
        return
    options = sender._meta
    known = {index.column for index in declared_syncs(sender)}
    made = [
        EmbeddingSync(fields=field.source, column=field.name, embedder=field.embedder)
        for field in options.local_concrete_fields
        if isinstance(field, EmbeddingField) and field.embedder and field.source and field.name not in known
    ]
    for sync in made:
        sync.set_name_with_model(sender)
    if made:
        options.indexes = [*options.indexes, *made]
        # By this Django knows that Meta says something of indexes.
        options.original_attrs["indexes"] = options.indexes


class_prepared.connect(_add_syncs_of_fields, dispatch_uid="pgvec.syncs")


def _plain(name: str) -> str:
    """Return a name without what Django takes for a placeholder, and without what an index of Django may not begin with."""
    plain = re.sub(r"\W", "_", name)
    return f"D{plain[1:]}" if plain[0] == "_" or plain[0].isdigit() else plain


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
