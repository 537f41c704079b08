"""What Alembic loads on every run: it registers the operations, and the comparisons that load the rest when they run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult

import pgvec.integrations.alembic.implementation  # noqa: F401  (registers op.create_vector_index and so on for every run)

__all__ = ["setup"]


def setup(plugin: Plugin) -> None:
    """Register what autogenerate does where ``autogenerate_plugins`` names pgvec."""
    plugin.add_autogenerate_comparator(
        _prepare, "autogenerate", "pgvec", qualifier="postgresql", priority=DispatchPriority.FIRST
    )
    plugin.add_autogenerate_comparator(
        _leave_out_schema, "schema", "pgvec", qualifier="postgresql", priority=DispatchPriority.FIRST
    )
    # In Alembic's own group, between the caller's compare_type and Alembic's comparison, which it takes the place of.
    plugin.add_autogenerate_comparator(_compare_type, "column", "types", qualifier="postgresql")
    plugin.add_autogenerate_comparator(
        _compare_table, "table", "pgvec", qualifier="postgresql", priority=DispatchPriority.LAST
    )
    plugin.add_autogenerate_comparator(
        _finish, "autogenerate", "pgvec", qualifier="postgresql", priority=DispatchPriority.LAST
    )


def _prepare(*arguments: Any) -> PriorityDispatchResult:
    from pgvec.integrations.alembic import autogenerate  # noqa: PLC0415 - only autogenerate needs it

    return autogenerate.prepare(*arguments)


def _leave_out_schema(*arguments: Any) -> PriorityDispatchResult:
    from pgvec.integrations.alembic import autogenerate  # noqa: PLC0415 - only autogenerate needs it

    return autogenerate.leave_out_schema(*arguments)


def _compare_type(*arguments: Any) -> PriorityDispatchResult:
    from pgvec.integrations.alembic import columns  # noqa: PLC0415 - only autogenerate needs it

    return columns.compare_type(*arguments)


def _compare_table(*arguments: Any) -> PriorityDispatchResult:
    from pgvec.integrations.alembic import autogenerate  # noqa: PLC0415 - only autogenerate needs it

    return autogenerate.compare_table(*arguments)


def _finish(*arguments: Any) -> PriorityDispatchResult:
    from pgvec.integrations.alembic import autogenerate  # noqa: PLC0415 - only autogenerate needs it

    return autogenerate.finish(*arguments)


class _PluginModule(ModuleType):
    """Alembic 1.18 takes what the entry point names for a collection of modules; later versions take the module."""

    def __iter__(self) -> Iterator[ModuleType]:
        return iter((self,))


sys.modules[__name__].__class__ = _PluginModule
