"""``manage.py pgvec_doctor``: what is wrong with the vectors of a database, with evidence and a fix."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections, router, transaction

from pgvec.errors import PgvecError
from pgvec.integrations.django.driver import DjangoDriver
from pgvec.integrations.django.reading import table_of, vector_columns
from pgvec.model import CHECKS, Diagnosis, Severity
from pgvec.model.doctor import UsedDistance
from pgvec.operations.doctor import check_ids, examine

__all__ = ["Command"]


class Command(BaseCommand):
    """Looks at vectors, indexes and settings of a database; nothing is written."""

    help = (
        "Find what is wrong with the vectors of a database: indexes, statistics, storage, settings, versions. By which "
        "distances columns are searched is read from the models. Nothing is written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="alias of the database")
        parser.add_argument("--table", help="only this table")
        parser.add_argument("--schema", help="its Postgres schema, where the search_path does not show it")
        parser.add_argument("--ignore", action="append", default=[], metavar="CHECK", help="leave out a check")
        parser.add_argument(
            "--fail-on",
            choices=[*(severity.value for severity in Severity), "never"],
            default=Severity.WARNING.value,
            help="fail where something so bad, or worse, is found",
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON for programs")
        parser.add_argument("--list", action="store_true", dest="list_checks", help="list the checks")

    def handle(
        self,
        *_: Any,
        database: str,
        table: str | None,
        schema: str | None,
        ignore: list[str],
        fail_on: str,
        as_json: bool,
        list_checks: bool,
        **__: Any,
    ) -> None:
        """Look, print, and fail where that was asked for."""
        if list_checks:
            for check, finds in CHECKS.items():
                self.stdout.write(f"{check}  {finds}")
            return
        try:
            found = _diagnosis(database, table, schema, ignore)
        except PgvecError as exc:
            raise CommandError(str(exc)) from exc
        self.stdout.write(json.dumps(found.to_dict(), indent=2) if as_json else _for_people(found))
        if fail_on != "never" and (bad := found.at_least(fail_on)):
            raise CommandError(f"{len(bad)} findings of severity {fail_on} or worse")


def _diagnosis(database: str, table: str | None, schema: str | None, ignore: list[str]) -> Diagnosis:
    driver = DjangoDriver(database)
    recipe = examine(
        table=table, schema=schema, distances=list(_declared(database)), ignore=check_ids(ignore, "--ignore")
    )
    own = not connections[database].in_atomic_block
    with transaction.atomic(using=database):
        # In a transaction of somebody else's, who may go on to write, the recipe's own word has to do.
        if own:
            with connections[database].cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
        return driver.run(recipe)


def _declared(database: str) -> Iterator[UsedDistance]:
    """Yield the distances that the models of a database declare."""
    for model in apps.get_models():
        if model._meta.proxy or not router.allow_migrate_model(database, model):
            continue
        for name, column in vector_columns(model).items():
            if column.distance is None:
                continue
            owner = model._meta.get_field(name).model
            table = table_of(owner)
            yield UsedDistance(
                table.schema, table.name, column.name, column.distance, f"declared by {model._meta.label}.{name}"
            )


def _for_people(found: Diagnosis) -> str:
    lines = [line for finding in found.findings for line in finding.lines()]
    lines.append(f"{len(found.findings)} findings in {found.tables} tables with vectors")
    lines += [f"not looked at: {what}" for what in found.unchecked]
    return "\n".join(lines)
