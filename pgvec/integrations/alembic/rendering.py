"""Writes the operations and the types into migrations, with the imports that they need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext

from pgvec.integrations.alembic.column_change import VectorValues
from pgvec.integrations.alembic.operations import (
    AlterEmbeddingOp,
    CreateVectorIndexOp,
    DowngradePgvecOp,
    DropVectorIndexOp,
    RebuildVectorIndexOp,
    UpgradePgvecOp,
)
from pgvec.integrations.alembic.types import StoredVector
from pgvec.model import VectorType
from pgvec.orm.column_types import describe_type
from pgvec.orm.embedding import Embedding
from pgvec.orm.index_definition import IndexDefinition
from pgvec.orm.rules import DEFAULT_DISTANCE

__all__ = ["render_types"]

_MARK = "pgvec_renders_types"


def render_types(context: AutogenContext) -> None:
    """Let vector types be written with their imports; the application's own ``render_item`` goes first."""
    opts = context.opts
    if opts.get(_MARK):
        return
    others = opts.get("render_item")

    def render_item(type_: str, item: Any, context: AutogenContext) -> str | Literal[False]:
        rendered: str | Literal[False] = others(type_, item, context) if others else False
        if rendered is not False or type_ != "type":
            return rendered
        return _render_type(item, context.imports)

    opts["render_item"] = render_item
    opts[_MARK] = True


def _render_type(item: Any, imports: set[str]) -> str | Literal[False]:
    # SQLAlchemy has no public name for the variants of a type; Alembic writes them, given that it finds the modules.
    if getattr(item, "_variant_mapping", None):
        imports.add(f"import {type(item).__module__}")
        return False
    if isinstance(item, StoredVector):
        imports.add("from pgvec.integrations.alembic.types import StoredVector")
        return repr(item)
    if isinstance(item, Embedding):
        imports.add("from pgvec.orm import Embedding")
        return _embedding(item)
    if type(item).__module__.split(".")[:2] == ["pgvector", "sqlalchemy"]:
        imports.add("import pgvector.sqlalchemy")
        described = describe_type(item, "", "")
        assert described is not None, "pgvector-python has vector types only"
        dimensions = "" if described.dimensions is None else described.dimensions
        return f"pgvector.sqlalchemy.{described.type.value.upper()}({dimensions})"
    return False


def _embedding(item: Embedding) -> str:
    """Write what matters to the database; source and embedder may change without a migration."""
    options: list[tuple[str, Any]] = []
    if item.distance is not DEFAULT_DISTANCE[item.type]:
        options.append(("distance", item.distance.value))
    if item.type is not VectorType.VECTOR:
        options.append(("type", item.type.value))
    if item.extension_schema is not None:
        options.append(("extension_schema", item.extension_schema))
    return f"Embedding({', '.join([str(item.dimensions), *_keywords(options)])})"


@renderers.dispatch_for(CreateVectorIndexOp)
def _create_vector_index(context: AutogenContext, operation: CreateVectorIndexOp) -> str:
    made = operation.definition
    positional = [made.name, made.table] + ([] if made.column is None else [made.column])
    return _call(context, "create_vector_index", positional, _index_options(made, operation.concurrently))


@renderers.dispatch_for(DropVectorIndexOp)
def _drop_vector_index(context: AutogenContext, operation: DropVectorIndexOp) -> str:
    options = [("schema", operation.schema), ("concurrently", operation.concurrently or None)]
    return _call(context, "drop_vector_index", [operation.index_name, operation.table_name], options)


@renderers.dispatch_for(RebuildVectorIndexOp)
def _rebuild_vector_index(context: AutogenContext, operation: RebuildVectorIndexOp) -> str:
    options = [("schema", operation.schema), ("concurrently", None if operation.concurrently else False)]
    return _call(context, "rebuild_vector_index", [operation.index_name, operation.table_name], options)


@renderers.dispatch_for(AlterEmbeddingOp)
def _alter_embedding(context: AutogenContext, operation: AlterEmbeddingOp) -> list[str]:
    change = operation.change
    names = ("type", "dimensions", "existing_type", "existing_dimensions", "storage", "existing_storage")
    options = [(name, getattr(change, name)) for name in names]
    options += [("values", None if change.values is VectorValues.KEEP else change.values.value)]
    options += [("schema", change.schema), ("extension_schema", change.extension_schema)]
    call = _call(context, "alter_embedding", [change.table, change.column], options)
    if change.changes_type and change.dimensions != change.existing_dimensions and change.values is VectorValues.KEEP:
        return [
            "# Refused while vectors are there: give values='truncate' or 'clear', or fill a second column beside this one.",
            call,
        ]
    return [call]


@renderers.dispatch_for(UpgradePgvecOp)
def _upgrade_pgvec(context: AutogenContext, operation: UpgradePgvecOp) -> str:
    return _call(context, "upgrade_pgvec", [operation.script], [("extension_schema", operation.extension_schema)])


@renderers.dispatch_for(DowngradePgvecOp)
def _downgrade_pgvec(context: AutogenContext, operation: DowngradePgvecOp) -> str:
    return _call(context, "downgrade_pgvec", [operation.script], [])


def _index_options(made: IndexDefinition, concurrently: bool) -> list[tuple[str, Any]]:
    return [
        ("expression", made.expression),
        ("method", made.method),
        ("operator_class", made.operator_class),
        ("options", dict(made.options) or None),
        ("where", made.where),
        ("schema", made.schema),
        ("tablespace", made.tablespace),
        ("concurrently", concurrently or None),
    ]


def _call(context: AutogenContext, name: str, positional: Iterable[str], options: Iterable[tuple[str, Any]]) -> str:
    # Never within batch_alter_table, which does not know these operations.
    prefix = context.opts["alembic_module_prefix"] or ""
    arguments = [repr(str(value)) for value in positional] + _keywords(options)
    return f"{prefix}{name}({', '.join(arguments)})"


def _keywords(options: Iterable[tuple[str, Any]]) -> list[str]:
    plain = ((name, str(value) if isinstance(value, str) else value) for name, value in options)
    return [f"{name}={value!r}" for name, value in plain if value is not None]
