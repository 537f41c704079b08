"""``manage.py pgvec_index``: lists the vector indexes of the models, and builds, rebuilds and drops them online."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections

from pgvec.errors import PgvecError
from pgvec.integrations.django.index_life import (
    DeclaredIndex,
    IndexState,
    build,
    declared_indexes,
    drop,
    rebuild,
    state_of,
)

__all__ = ["Command"]

_ACTIONS: dict[str, Callable[[Any, DeclaredIndex], str]] = {"build": build, "rebuild": rebuild, "drop": drop}


class Command(BaseCommand):
    """Shows and changes the vector indexes that models declare; writers go on meanwhile."""

    help = (
        "List the vector indexes that models declare, and build, rebuild or drop them CONCURRENTLY. A build that was killed "
        "leaves an invalid index behind, which the next build clears away."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("action", choices=["list", *_ACTIONS], help="what to do")
        parser.add_argument(
            "names", nargs="*", help="names of indexes, or app_label.Model; without any, build takes all"
        )
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="alias of the database")

    def handle(self, *_: Any, action: str, names: list[str], database: str, **__: Any) -> None:
        """Do what the arguments say."""
        connection = connections[database]
        if connection.vendor != "postgresql":
            raise CommandError(f"The database {database!r} is {connection.vendor}, not PostgreSQL")
        chosen = self._chosen(list(declared_indexes(apps.get_app_configs(), database)), names, action)
        for declared in chosen:
            if action == "list":
                self.stdout.write(_line(declared, state_of(connection, declared)))
                continue
            try:
                done = _ACTIONS[action](connection, declared)
            except PgvecError as exc:
                raise CommandError(f"{declared.name}: {exc}") from exc
            self.stdout.write(f"{declared.name}: {done}")

    @staticmethod
    def _chosen(declared: list[DeclaredIndex], names: list[str], action: str) -> list[DeclaredIndex]:
        if not names:
            if action in ("rebuild", "drop"):
                raise CommandError(
                    f"Name the indexes to {action}: {', '.join(index.name for index in declared) or 'there are none'}"
                )
            return declared
        known = {name for index in declared for name in (index.name, index.model._meta.label)}
        if unknown := [name for name in names if name not in known]:
            raise CommandError(
                f"No model declares a vector index {unknown[0]!r}; declared are {', '.join(sorted(known))}"
            )
        return [index for index in declared if index.name in names or index.model._meta.label in names]


def _line(declared: DeclaredIndex, state: IndexState | None) -> str:
    if state is None:
        found = "missing"
    else:
        found = f"{'valid' if state.is_valid else 'INVALID'}, {state.size_bytes / 1_048_576:.1f} MB"
    return f"{declared.model._meta.label}  {declared.name}  {declared.index.suffix}  {found}"
