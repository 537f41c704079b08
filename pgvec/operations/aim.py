"""Which column a text is searched in, and with which model: that of the vectors which are stored there."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from pgvec.errors import ConfigurationError, ModelMismatchError
from pgvec.model import ColumnModel, Embedder, InputKind, Replacement, TableFacts, Target, VectorType
from pgvec.statements.requests import Request, Survey

__all__ = ["Aim", "aim", "check_fit", "choose_aim"]

TEXTS = frozenset({InputKind.TEXT})


@dataclass(frozen=True, slots=True)
class Aim:
    """Where to search, and what embeds the question.

    Attributes:
        target: What to search: the target of the repository, or one whose column takes the place of its column.
        embedder: The embedder whose model filled the column.
        statements: How many statements it took to learn that.
    """

    target: Target
    embedder: Embedder
    statements: int = 0


def aim(
    target: Target, embedders: Sequence[Embedder], kinds: AbstractSet[InputKind] = TEXTS
) -> Generator[Request, Any, Aim]:
    """Find the column that one of the embedders can search.

    Args:
        target: What the repository searches.
        embedders: Those that may embed the question.
        kinds: What the question is made of.

    Raises:
        ModelMismatchError: There is none.
        ConfigurationError: The embedder makes vectors of another width.
    """
    facts, statements = yield Survey(target)
    return replace(choose_aim(target, embedders, facts, kinds), statements=statements)


def choose_aim(
    target: Target, embedders: Sequence[Embedder], facts: TableFacts | None, kinds: AbstractSet[InputKind] = TEXTS
) -> Aim:
    """Choose the column that is current, else the one that it replaced or will replace, by the models of the embedders.

    A column of which nobody recorded a model is searched with the first embedder.

    Raises:
        ModelMismatchError: What is stored is of other models than those of the embedders.
        ConfigurationError: The embedder takes no such question, or makes vectors of another width than the column's.
    """
    models = {} if facts is None else {model.column: model for model in facts.models}
    if not models:
        return Aim(target, check_fit(target, embedders[0], kinds))
    assert facts is not None, "it told of models"
    columns = _columns(target, facts.replacements)
    for candidate in columns:
        model = models.get(candidate.column.name)
        for embedder in embedders:
            if model is not None and (embedder.name, embedder.revision) == (model.name, model.revision):
                return Aim(candidate, check_fit(candidate, embedder, kinds))
    being_filled = {(model.name, model.revision) for model in models.values()}
    for candidate in columns:
        free = [embedder for embedder in embedders if (embedder.name, embedder.revision) not in being_filled]
        if candidate.column.name not in models and free:
            return Aim(candidate, check_fit(candidate, free[0], kinds))
    raise _mismatch(target, embedders, models, facts.replacements)


def _columns(target: Target, replacements: Sequence[Replacement]) -> list[Target]:
    """Return the columns that may be searched in place of the target's, its own among them, the current one first."""
    at = {
        column.old: column for column in replacements if not column.is_under_way
    }  # what is gone leads to what took its place
    name = target.column.name
    here = target
    while name in at:
        step = at[name]
        here = _moved(target, step.new, step.new_type, step.new_dimensions)
        name = step.new
    for step in replacements:
        if not step.is_under_way or name not in (step.old, step.new):
            continue
        old = _moved(target, step.old, step.old_type, step.old_dimensions)
        if not step.whole:
            return [old]
        new = _moved(target, step.new, step.new_type, step.new_dimensions)
        return [new, old] if step.is_current else [old, new]
    return [here]


def _moved(target: Target, name: str, kind: VectorType | None, dimensions: int | None) -> Target:
    if name == target.column.name or kind is None:
        return target
    return replace(target, column=replace(target.column, name=name, type=kind, dimensions=dimensions, indexes=()))


def check_fit(target: Target, embedder: Embedder, kinds: AbstractSet[InputKind] = TEXTS) -> Embedder:
    """Return an embedder that takes the question and whose vectors the column can hold, and refuse another."""
    refused = sorted(kinds - embedder.kinds)
    if refused:
        raise ConfigurationError(f"The embedder {embedder.name} takes no {refused[0]}: pass a vector instead")
    dimensions = target.column.dimensions
    if dimensions is not None and embedder.dimensions != dimensions:
        raise ConfigurationError(
            f"The embedder {embedder.name} makes vectors of {embedder.dimensions} dimensions, and "
            f"{target.name}.{target.column.attribute} holds {dimensions}: use the model that filled the column"
        )
    return embedder


def _mismatch(
    target: Target,
    embedders: Sequence[Embedder],
    models: dict[str, ColumnModel],
    replacements: Sequence[Replacement],
) -> ModelMismatchError:
    given = " and ".join(f"{embedder.name}, revision {embedder.revision}" for embedder in embedders)
    stored = "; ".join(f"{model.column} by {model}" for model in models.values())
    unready = [step.new for step in replacements if not step.whole and step.is_under_way]
    hint = f" ({', '.join(unready)} is still being filled)" if unready else ""
    return ModelMismatchError(
        f"The query would be embedded by {given}, and the vectors of {target.name} were made by other models: "
        f"{stored}{hint}. Give the repository the model that filled {target.column.name}"
    )
