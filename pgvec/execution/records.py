"""Records from rows, with the identity map of the session that they belong to.

For a plainly mapped class this is what SQLAlchemy's loader does, at a third of its cost for ten rows. Anything that the
loader alone can do (inheritance, eager relationships, computed attributes, load events) goes through the loader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import ColumnProperty, Mapper, Session, defer, undefer
from sqlalchemy.orm.attributes import instance_state, set_committed_value
from sqlalchemy.orm.base import LoaderCallableStatus, PassiveFlag

from pgvec.errors import EmbeddingNotLoadedError
from pgvec.model import Target
from pgvec.statements.plan import attributes

__all__ = ["RecordReader", "watched"]

_EAGER = frozenset({"joined", "selectin", "subquery", "immediate"})


@dataclass(frozen=True, slots=True)
class _NotLoaded:
    """Stands for an embedding that was not fetched: reading it explains itself, and never queries."""

    model: str
    attribute: str

    def __call__(self, _state: Any, passive: PassiveFlag) -> Any:
        if not passive & PassiveFlag.SQL_OK:
            return LoaderCallableStatus.PASSIVE_NO_RESULT
        raise EmbeddingNotLoadedError(
            f"{self.model}.{self.attribute} was not fetched: pass include_embedding=True, or load it with "
            f"session.refresh(record, ['{self.attribute}'])"
        )


class RecordReader:
    """Makes records of one target.

    Attributes:
        plain: Whether rows of columns are enough to make a record.
    """

    def __init__(self, target: Target, include_embedding: bool) -> None:
        self.target = target
        self.include_embedding = include_embedding
        self._of_table = isinstance(target.entity, sa.Table)
        if self._of_table:
            self.plain = True
            self.names = tuple(c.key for c in target.entity.c if include_embedding or c.key not in target.embeddings)
            return
        self.mapper: Mapper[Any] = sa.inspect(target.entity)
        self._identity_class = self.mapper.identity_key_from_primary_key(())[0]
        hidden = () if include_embedding else target.embeddings
        self.guards = {name: _NotLoaded(self.mapper.class_.__name__, name) for name in hidden}
        loaded = [
            p
            for p in self.mapper.column_attrs
            if p.key not in hidden and (not p.deferred or p.key in target.embeddings)
        ]
        self.names = tuple(attribute.key for attribute in loaded)
        self.plain = self._is_plain()
        self._key_positions = (
            tuple(self.names.index(name) for name in target.key) if set(target.key) <= set(self.names) else ()
        )

    def _is_plain(self) -> bool:
        mapper = self.mapper
        manager = mapper.class_manager
        return not (
            mapper.polymorphic_on is not None
            or mapper.inherits is not None
            or mapper.composites
            or any(relationship.lazy in _EAGER for relationship in mapper.relationships)
            or any(not _is_column(attribute) for attribute in mapper.column_attrs)
            or manager.dispatch.load
            or manager.dispatch.refresh
            or mapper.eager_defaults is True
        ) and set(self.target.key) <= set(self.names)

    def selected(self, through_orm: bool) -> list[Any]:
        """What to select for a record: its columns, or the class where SQLAlchemy's loader makes it."""
        return [self.target.entity] if through_orm else attributes(self.target, self.names)

    def options(self) -> list[Any]:
        """Loader options that fetch embeddings, or leave them out."""
        option = undefer if self.include_embedding else defer
        return [option(getattr(self.target.entity, name)) for name in self.target.embeddings]

    def guard(self, record: Any) -> Any:
        """Make an embedding that was not fetched say so when it is read."""
        if not isinstance(self.target.entity, sa.Table) and self.guards:
            state = instance_state(record)
            missing = {
                k: g for k, g in self.guards.items() if k not in state.dict and k not in state.expired_attributes
            }
            if missing:
                state.callables = {**state.callables, **missing}
        return record

    def record(self, values: Sequence[Any], session: Session | None) -> Any:
        """Return the record of a row: the one that the session holds already, or a new one.

        Without a session the record is detached. For a table, the record is a mapping of its columns.
        """
        if self._of_table:
            return dict(zip(self.names, values, strict=True))
        key = (self._identity_class, tuple([values[position] for position in self._key_positions]), None)
        held = None if session is None else session.identity_map.get(key)
        if held is not None:
            return self._refreshed(held, values)
        record = self.mapper.class_manager.new_instance()
        record.__dict__.update(zip(self.names, values, strict=True))
        state = instance_state(record)
        state.key = key
        if self.guards:
            state.callables = dict(self.guards)
        if session is not None:
            # As the loader does it: session.add() also looks for related records to take along, and tells of a record that
            # was detached.
            state.session_id = session.hash_key
            session.identity_map.add(state)
        return record

    def _refreshed(self, held: Any, values: Sequence[Any]) -> Any:
        """What the session holds stays as it is; what it let go of on its last commit, or never fetched, is filled."""
        state = instance_state(held)
        for name, value in zip(self.names, values, strict=True):
            if name not in state.dict:
                set_committed_value(held, name, value)
        return held


def _is_column(attribute: ColumnProperty[Any]) -> bool:
    return len(attribute.columns) == 1 and isinstance(attribute.columns[0], sa.Column)


def watched(session: Session) -> bool:
    """Whether somebody follows what this session loads or runs, so that nothing may pass by SQLAlchemy."""
    dispatch = session.dispatch
    return bool(
        dispatch.do_orm_execute or dispatch.loaded_as_persistent or dispatch.before_attach or dispatch.after_attach
    )
