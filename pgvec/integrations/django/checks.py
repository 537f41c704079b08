"""System checks: what is wrong with embeddings is told by ``manage.py check``, each with an id.

``pgvec.E001`` to ``pgvec.E003`` come from the field itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.apps import apps
from django.core import checks
from django.db import connections, router
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.utils import Error

from pgvec.errors import ConfigurationError, PgvecError
from pgvec.integrations.django import conf
from pgvec.integrations.django.driver import facts_of
from pgvec.integrations.django.fields import EmbeddingField, describe_field
from pgvec.integrations.django.kept import EmbeddingSync, KeywordIndex, declared_syncs
from pgvec.integrations.django.operations import RunPgvecSQL
from pgvec.integrations.django.reading import declared_index
from pgvec.model import Distance, VectorColumn, VectorIndex, VectorType
from pgvec.orm.rules import SERVED_BY_BITS, check_index, choose
from pgvec.sql import scripts

__all__ = ["check_databases", "check_indexes", "check_migrations", "check_settings", "register_checks"]

_TAG = "pgvec"
_EXTENSION = "0002_extension"
_SCRIPTS: dict[type[Any], str] = {KeywordIndex: "0004_pre_keyword", EmbeddingSync: "0005_pre_embedding_sync"}


def register_checks() -> None:
    """Register every check under the tag ``pgvec``, those that ask a database for ``check --database`` alone."""
    for check in (check_settings, check_indexes, check_migrations):
        checks.register(check, _TAG)
    checks.register(check_databases, _TAG, checks.Tags.database)


def check_settings(**_: Any) -> list[Any]:
    """Check the setting ``PGVEC``; the embedder is not loaded, since a model may take seconds."""
    try:
        unknown = set(conf.pgvec_settings()) - conf.KNOWN_SETTINGS
        conf.embedder_path()
    except ConfigurationError as exc:
        return [checks.Error(str(exc), hint=_EXAMPLE, id="pgvec.E005")]
    if unknown:
        listed = ", ".join(sorted(map(repr, unknown)))
        return [checks.Error(f"The setting PGVEC has the unknown keys {listed}.", hint=_EXAMPLE, id="pgvec.E005")]
    return []


_EXAMPLE = "PGVEC = {'EMBEDDER': 'pgvec.embedders.default_embedder'}"


def check_indexes(app_configs: Sequence[Any] | None = None, **_: Any) -> list[Any]:
    """Check that pgvector can build the vector indexes, and that they serve the distance that is searched by."""
    found = []
    for model, field, column in _embedding_fields(app_configs):
        for index in model._meta.indexes:
            found += _check_index(model, field, column, index)
    for model in _models(app_configs):
        for sync in declared_syncs(model):
            found += _check_sync(model, sync)
    return found


def check_migrations(app_configs: Sequence[Any] | None = None, **_: Any) -> list[Any]:
    """Check that apps with embeddings migrate after pgvec, which installs the extension and its functions."""
    needs = _needed_scripts(app_configs)
    if not needs:
        return []
    loader = MigrationLoader(None, ignore_no_migrations=True)
    found = []
    for label, names in sorted(needs.items()):
        if label not in loader.migrated_apps:
            continue
        nodes = {node for leaf in loader.graph.leaf_nodes(label) for node in loader.graph.forwards_plan(leaf)}
        missing = [name for name in sorted(names) if not _installs(loader, nodes, name)]
        if missing:
            found.append(_pending(label, missing))
    return found


def _pending(label: str, missing: list[str]) -> Any:
    what = "which install the extension 'vector'"
    if _EXTENSION not in missing:
        what = "which install what keyword indexes and embedding syncs need"
    return checks.Warning(
        f"The migrations of the app {label!r} do not depend on those of pgvec, {what}.",
        hint=f"Add to the dependencies of its first migration: ('pgvec', '{scripts()[-1].name}').",
        obj=apps.get_app_config(label),
        id="pgvec.W002",
    )


def _needed_scripts(app_configs: Sequence[Any] | None) -> dict[str, set[str]]:
    """Return the scripts by the label of the app whose models need them."""
    needs: dict[str, set[str]] = {}
    for model, field, _ in _embedding_fields(app_configs):
        if isinstance(field, EmbeddingField):
            needs.setdefault(model._meta.app_label, set()).add(_EXTENSION)
    for model in _models(app_configs):
        for index in model._meta.indexes:
            if isinstance(index, KeywordIndex | EmbeddingSync):
                needs.setdefault(model._meta.app_label, set()).add(_SCRIPTS[type(index)])
    return needs


def check_databases(databases: Sequence[str] | None = None, **_: Any) -> list[Any]:
    """Check that the extension is there, and new enough, in each database that holds embeddings."""
    found = []
    for alias in databases or ():
        connection = connections[alias]
        models = {model for model, _, _ in _embedding_fields(None) if router.allow_migrate_model(alias, model)}
        if not models:
            continue
        if connection.vendor != "postgresql":
            names = ", ".join(sorted(model.__name__ for model in models))
            found.append(
                checks.Warning(
                    f"The database {alias!r} is {connection.vendor}, and may be asked to hold embeddings of {names}.",
                    hint="Route these models to a PostgreSQL database with DATABASE_ROUTERS.",
                    id="pgvec.W003",
                )
            )
            continue
        try:
            facts_of(connection)
        except PgvecError as exc:
            found.append(checks.Warning(str(exc), hint=f"manage.py migrate pgvec --database={alias}", id="pgvec.W004"))
        except Error:
            continue  # Django's own checks and commands tell that a database cannot be reached
    return found


def _models(app_configs: Sequence[Any] | None) -> Iterator[Any]:
    for config in apps.get_app_configs() if app_configs is None else app_configs:
        yield from config.get_models()


def _embedding_fields(app_configs: Sequence[Any] | None) -> Iterator[tuple[Any, Any, VectorColumn]]:
    """Yield the model, field and description of each embedding; of a wrong declaration the field's own checks tell."""
    for model in _models(app_configs):
        for field in model._meta.local_concrete_fields:
            try:
                column = describe_field(field)
            except PgvecError:
                continue
            if column is not None:
                yield model, field, column


def _check_index(model: Any, field: Any, column: VectorColumn, index: Any) -> list[Any]:
    label = f"{model._meta.label}: index {index.name!r}"
    try:
        if (quantization := getattr(index, "quantization", None)) is not None:
            choose(VectorType, quantization, "quantization")
        declared = declared_index(index, field)
        if declared is None:
            return _check_undeclared(label, field, index)
        by_bits = declared.quantization is VectorType.BIT
        check_index(column, replace(declared, distance=column.distance or Distance.L2) if by_bits else declared)
    except PgvecError as exc:
        return [checks.Error(f"{label}: {exc}", obj=model, id="pgvec.E004")]
    if column.distance is None or _serves(declared, column):
        return []
    return [
        checks.Warning(
            f"{label} serves the {declared.distance} distance, and {field.name!r} is searched by {column.distance}, so that "
            "searches do not use it.",
            hint="Leave opclasses out: HnswIndex and IvfflatIndex of pgvec take them from the field.",
            obj=model,
            id="pgvec.W001",
        )
    ]


def _check_sync(model: Any, sync: EmbeddingSync) -> list[Any]:
    """Check that the column of a sync is one that workers can fill, and that no other sync fills it."""
    label = f"{model._meta.label}: the sync {sync.name!r}"
    field = next((one for one in model._meta.local_concrete_fields if one.name == sync.column), None)
    try:
        column = None if field is None else describe_field(field)
    except PgvecError:
        return []  # the field's own checks tell
    if column is None:
        problem = f"{label} fills {sync.column!r}, which is no embedding field of the model's own table."
    elif column.type not in (VectorType.VECTOR, VectorType.HALFVEC):
        problem = f"{label} fills {sync.column!r} of the type {column.type}, and embedders make vector and halfvec."
    elif sum(one.column == sync.column for one in declared_syncs(model)) > 1:
        problem = f"{label} fills {sync.column!r}, which another sync fills too."
    else:
        return []
    return [checks.Error(problem, obj=model, id="pgvec.E006")]


def _check_undeclared(label: str, field: Any, index: Any) -> list[Any]:
    """An index on the field that names no operator class, although its access method has no default."""
    if index.fields != [field.name] or index.opclasses or getattr(index, "suffix", "") not in ("hnsw", "ivfflat"):
        return []
    return [
        checks.Error(
            f"{label} names no operator class, and {field.name!r} declares no distance that tells one.",
            hint="Declare an EmbeddingField(..., distance=...), or give opclasses=['vector_cosine_ops'].",
            obj=field.model,
            id="pgvec.E004",
        )
    ]


def _serves(index: VectorIndex, column: VectorColumn) -> bool:
    by_bits = index.quantization is VectorType.BIT and column.distance in SERVED_BY_BITS
    return by_bits or index.distance is column.distance


def _installs(loader: MigrationLoader, nodes: set[Any], name: str) -> bool:
    """Whether a migration that the app needs runs a script: pgvec's own, or another that does what it does."""
    operations = [op for node in nodes for op in getattr(loader.graph.nodes[node], "operations", ())]
    return any(isinstance(op, RunPgvecSQL) and op.name == name for op in operations) or (
        name == _EXTENSION and any(map(_is_extension, operations))
    )


def _is_extension(operation: Operation) -> bool:
    return getattr(operation, "name", None) == "vector" and type(operation).__name__ in (
        "VectorExtension",
        "CreateExtension",
    )
